// One row of the data with completions to score: several of them are judged as a group.
import { h, number, score } from "../dom.js";
import { promptOf } from "./new-data.js";

export class Try {
  constructor(row) {
    this.row = row;
    this.attempts = [];
    this.list = h("div", { class: "attempts" });
    this.element = h("div", { class: "try" },
      h("div", {}, h("div", { class: "label" }, "Prompt"), h("div", { class: "text muted" }, promptOf(row))),
      h("div", {}, h("div", { class: "label" }, "Completions"), this.list,
        h("button", { class: "btn quiet small", type: "button", onclick: () => this.add("").area.focus() }, "Add a completion")));
    this.add(row.example?.completion ?? "");
  }

  add(text) {
    const attempt = new Attempt(text, (one) => this.remove(one));
    this.attempts.push(attempt);
    this.list.append(attempt.element);
    this.list.classList.toggle("single", this.attempts.length === 1);
    return attempt;
  }

  remove(attempt) {
    this.attempts = this.attempts.filter((one) => one !== attempt);
    attempt.element.remove();
    this.list.classList.toggle("single", this.attempts.length === 1);
  }

  completions() {
    return this.attempts.map((one) => one.area.value);
  }

  show(verdicts) {
    verdicts.forEach((verdict, index) => this.attempts[index]?.show(verdict));
  }
}

class Attempt {
  constructor(text, onremove) {
    this.area = h("textarea", { "aria-label": "Completion to score", spellcheck: "false", value: text });
    this.verdict = h("div", { class: "verdict", "aria-live": "polite" });
    this.out = h("pre", { class: "out", hidden: true });
    this.element = h("div", { class: "attempt" }, this.area,
      h("div", {}, this.verdict, h("button", { class: "btn quiet small remove", type: "button", "aria-label": "Remove this completion", onclick: () => onremove(this) }, "Remove")),
      this.out);
  }

  show(verdict) {
    const parts = Object.entries(verdict.parts ?? {}).map(([name, value]) => score(name, value));
    const flags = (verdict.flags ?? []).map((flag) => h("span", { class: "score bad" }, flag));
    this.verdict.replaceChildren(
      h("div", { class: "chips" }, score("", verdict.score, verdict.status), parts, flags),
      h("small", { class: "muted num" }, `${number((verdict.seconds ?? 0) * 1000, 0)} ms`));
    const output = [verdict.message, verdict.stdout].filter(Boolean).join("\n").trim();
    this.out.hidden = !output;
    this.out.textContent = output;
  }
}
