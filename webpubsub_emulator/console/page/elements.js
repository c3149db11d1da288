/** Makes an element; strings become text, never markup. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("data-") || key.startsWith("aria-") || key === "role" || key === "scope") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const byId = (id) => document.getElementById(id);

export const duration = (ms) =>
  ms === null ? "" : ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

export const size = (bytes) =>
  bytes < 1024 ? `${bytes} ${bytes === 1 ? "byte" : "bytes"}` : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1048576).toFixed(1)} MiB`;

export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** An id as a list shows it; the whole one goes into a title, and is what a copy button copies. */
export const shortId = (id) => (id.length > 12 ? `${id.slice(0, 8)}…` : id);

/** The ids of connections in a line of the log, shortened. */
export const withShortIds = (line) => line.replace(/(connection(?:Id)? )([\w-]{13,})/g, (_, word, id) => `${word}${shortId(id)}`);

/** What an endpoint of the emulator answers, or in its place one that says that there is none. */
export async function answerOf(path, request) {
  try {
    return await fetch(path, request);
  } catch {
    return new Response("The emulator is not reachable.", { status: 503 });
  }
}

/** A button that copies a whole id; the row or the summary around it does not hear of the click. */
export function copyButton(id) {
  const button = element("button", { type: "button", className: "copy", title: `Copy ${id}`, "aria-label": `Copy ${id}` });
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    button.dataset.state = (await copied(id)) ? "copied" : "refused";
    setTimeout(() => delete button.dataset.state, 1500);
  });
  return button;
}

/** Puts a text on the clipboard; false when the browser does not let the page. */
export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
