// @ts-check
/** JSON as it was written: laid out without reading a value, so no number loses a digit; or where it is not JSON. */

const TOKEN =
  /[ \t\n\r]+|[{}[\],:]|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;
const MAX_INDENT = 24; // a deeper one tells nobody anything, and a thousand brackets would make a million blanks

/** @param {string} text @returns {Generator<{ token: string, at: number }>} the last one is "" at the end, or what is no token */
function* tokens(text) {
  for (let at = 0; at < text.length; ) {
    TOKEN.lastIndex = at;
    const [token] = TOKEN.exec(text) ?? [""];
    if (token.trim() || !token) yield { token, at };
    if (!token) return;
    at += token.length;
  }
  yield { token: "", at: text.length };
}

/**
 * Where a text stops being JSON, and what is wrong there; null for JSON.
 * @param {string} text
 * @returns {{ at: number, line: number, column: number, message: string } | null} `line` and `column` count from 1
 */
export function problemOf(text) {
  /** @type {string[]} of the brackets that are open */ const open = [];
  /** @type {"value" | "first" | "key" | "first key" | "colon" | "next" | "end"} */ let expected = "value";
  for (const { token, at } of tokens(text)) {
    const isClosing = (token === "}" || token === "]") && token === open.at(-1);
    const isValue = token !== "" && !"}],:".includes(token);
    if (expected === "end" && token === "" && at === text.length) return null;
    if (isClosing && (expected === "next" || expected === (token === "}" ? "first key" : "first"))) {
      open.pop();
      expected = open.length ? "next" : "end";
    } else if ((expected === "value" || expected === "first") && isValue) {
      if (token === "{" || token === "[") {
        open.push(token === "{" ? "}" : "]");
        expected = token === "{" ? "first key" : "first";
      } else expected = open.length ? "next" : "end";
    } else if ((expected === "key" || expected === "first key") && token.startsWith('"')) expected = "colon";
    else if (expected === "colon" && token === ":") expected = "value";
    else if (expected === "next" && token === ",") expected = open.at(-1) === "}" ? "key" : "value";
    else return problem(text, at, expected, open.at(-1));
  }
  return null;
}

/** @param {string} text @param {number} at @param {string} expected @param {string | undefined} bracket */
function problem(text, at, expected, bracket) {
  const lines = text.slice(0, at).split("\n");
  const wanted = {
    value: "a value", first: "a value or “]”", key: "a name in double quotes", "first key": "a name in double quotes or “}”",
    colon: "“:”", next: `“,” or “${bracket}”`, end: "the end",
  }[expected];
  const [line, column] = [lines.length, /** @type {string} */ (lines.at(-1)).length + 1];
  if (text[at] === '"' && !["colon", "next", "end"].includes(expected)) {
    const message = `Not JSON: the text in quotes at line ${line}, column ${column} has no end, or a line break or a wrong “\\” in it.`;
    return { at, line, column, message };
  }
  const found = at === text.length ? "the text ends" : `“${[...text.slice(at, at + 2)][0]}” stands`;
  return { at, line, column, message: `Not JSON: ${found} at line ${line}, column ${column}, where ${wanted} should be.` };
}

/**
 * JSON with a line for each value.
 * @param {string} text JSON
 * @param {number} limit of characters, roughly: what is beyond is not laid out
 * @returns {string}
 */
export function layOut(text, limit) {
  let [laidOut, depth, before] = ["", 0, ""];
  const lineEnd = () => `\n${"  ".repeat(Math.min(depth, MAX_INDENT))}`;
  for (const { token } of tokens(text)) {
    if (laidOut.length > limit) break;
    const closes = token === "}" || token === "]";
    const isEmpty = closes && (before === "{" || before === "[");
    if (closes) depth -= 1;
    if ((closes && !isEmpty) || (!closes && (before === "{" || before === "[")) || before === ",") laidOut += lineEnd();
    laidOut += token === ":" ? ": " : token;
    if (token === "{" || token === "[") depth += 1;
    before = token;
  }
  return laidOut;
}
