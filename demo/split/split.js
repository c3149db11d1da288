// @ts-check
/** Two people in one window: the page twice, side by side, or as tabs where the window is narrow. */

const PEOPLE = ["Ana", "Ben"];
const room = new URLSearchParams(location.search).get("room");

/** @param {string} id */
function get(id) {
  const found = document.getElementById(id);
  if (found) return found;
  throw new Error(`There is no #${id}`);
}

/** @param {string} user @returns {string} the page's address for this person */
function addressOf(user) {
  const search = new URLSearchParams({ user });
  if (room) search.set("room", room);
  return `./?${search}`;
}

/** @param {string} user */
function pane(user) {
  const frame = Object.assign(document.createElement("iframe"), { title: `The page of ${user}`, src: addressOf(user) });
  const panel = Object.assign(document.createElement("div"), { id: `pane-${user}`, className: "pane" });
  panel.setAttribute("role", "tabpanel");
  panel.setAttribute("aria-labelledby", `tab-${user}`);
  panel.append(frame);
  return panel;
}

/** @param {string} user */
function tab(user) {
  const made = Object.assign(document.createElement("button"), { id: `tab-${user}`, type: "button", textContent: user });
  made.setAttribute("role", "tab");
  made.setAttribute("aria-controls", `pane-${user}`);
  made.addEventListener("click", () => show(user));
  made.addEventListener("keydown", ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    const other = PEOPLE[1 - PEOPLE.indexOf(user)];
    show(other);
    get(`tab-${other}`).focus();
  });
  return made;
}

/** Where there are tabs: show this person's page. @param {string} shown */
function show(shown) {
  for (const user of PEOPLE) {
    const isShown = user === shown;
    get(`tab-${user}`).ariaSelected = String(isShown);
    get(`tab-${user}`).tabIndex = isShown ? 0 : -1;
    get(`pane-${user}`).classList.toggle("shown", isShown);
  }
}

get("tabs").append(...PEOPLE.map(tab));
get("panes").append(...PEOPLE.map(pane));
if (room) {
  get("one").setAttribute("href", `./?${new URLSearchParams({ room })}`);
  document.title = `${room} – two people`;
}
show(PEOPLE[0]);
