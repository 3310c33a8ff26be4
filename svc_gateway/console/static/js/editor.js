// A small Python editor: a transparent textarea over a highlighted copy of its text.
import { h } from "./dom.js";

const KEYWORDS =
  "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield match case";
const TOKEN = new RegExp(
  [
    String.raw`(?<c>#[^\n]*)`,
    String.raw`(?<s>(?:\b[rbfuRBFU]{1,2})?(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))`,
    String.raw`(?<n>\b\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?\b)`,
    String.raw`(?<k>\b(?:${KEYWORDS.replaceAll(" ", "|")})\b)`,
    String.raw`(?<f>\b[A-Za-z_]\w*(?=\())`,
  ].join("|"),
  "g",
);

function highlight(source) {
  const parts = [];
  let last = 0;
  for (const match of source.matchAll(TOKEN)) {
    const kind = Object.keys(match.groups).find((key) => match.groups[key] !== undefined);
    parts.push(source.slice(last, match.index), h("span", { class: kind }, match[0]));
    last = match.index + match[0].length;
  }
  parts.push(source.slice(last), "\n");
  return parts;
}

/** An editor element; `.value` reads and writes the source. */
export function editor({ id, label, value, oninput }) {
  const paper = h("pre", { "aria-hidden": "true" });
  const area = h("textarea", { id, "aria-label": label, spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off" });
  const draw = () => {
    paper.replaceChildren(...highlight(area.value));
    area.rows = Math.min(Math.max(area.value.split("\n").length, 6), 26);
  };
  area.addEventListener("input", () => { draw(); oninput?.(area.value); });
  area.addEventListener("scroll", () => { paper.scrollTop = area.scrollTop; paper.scrollLeft = area.scrollLeft; });
  area.addEventListener("keydown", (event) => indent(event, area));
  const element = h("div", { class: "editor" }, paper, area);
  Object.defineProperty(element, "value", {
    get: () => area.value,
    set: (text) => { area.value = text; draw(); },
  });
  element.value = value;
  return element;
}

/** Tab indents and Enter keeps the indentation. Escape, then Tab, leaves the editor. */
function indent(event, area) {
  if (event.key === "Escape") area.dataset.leave = "yes";
  else if (event.key === "Tab" && !event.shiftKey && area.dataset.leave !== "yes") insert(event, area, "    ");
  else if (event.key === "Enter" && !event.isComposing) {
    const line = area.value.slice(0, area.selectionStart).split("\n").pop();
    const deeper = line.trimEnd().endsWith(":") ? "    " : "";
    insert(event, area, `\n${line.match(/^\s*/)[0]}${deeper}`);
  } else delete area.dataset.leave;
}

function insert(event, area, text) {
  event.preventDefault();
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input"));
}
