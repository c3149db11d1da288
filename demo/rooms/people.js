// @ts-check
/** Who is in the room now. */
import { avatar, element, get } from "../elements.js";
import { visible } from "../names.js";

/** @param {import("../presence.js").Person[]} people @param {string | null} self */
export function showPeople(people, self) {
  get("people", HTMLElement).replaceChildren(
    ...people.map((person) => {
      const name = element("span", "name", visible(person.userId));
      const line = element("li", "", avatar(person.userId), name);
      if (person.userId === self) line.append(element("span", "hint", "you"));
      if (person.connections > 1) line.append(element("span", "hint", `${person.connections} tabs`));
      return line;
    }),
  );
}
