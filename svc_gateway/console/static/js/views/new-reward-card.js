// One reward: its editor, what it may use, remarks on its source, and a try in the real sandbox.
import { rpc } from "../api.js";
import { h, showError } from "../dom.js";
import { editor } from "../editor.js";
import { Try } from "./new-try.js";

const ROWS_TRIED = 3;
export const TEMPLATE = `def reward(prompt: str, completion: str, example: dict[str, str]) -> float:
    """1.0 for the labelled answer, less the more words differ."""
    wanted = set(example.get("completion", "").split())
    given = set(completion.split())
    print(f"missing: {sorted(wanted - given)}")
    return len(wanted & given) / max(len(wanted | given), 1)
`;
// What the editor holds for each kind of reward, to begin with.
const KINDS = {
  source: { label: "Python function", text: TEMPLATE },
  preset: { label: "Triton kernels (preset)", text: "{}\n" },
  grader: {
    label: "OpenAI grader (JSON)",
    text: `${JSON.stringify({ type: "string_check", name: "exact", operation: "eq", input: "{{ sample.output_text }}", reference: "{{ item.completion }}" }, null, 2)}\n`,
  },
};
// [key of the card, field of the definition, label, attributes]
const USES = [
  ["packages", "packages", "pip packages", { placeholder: "sympy==1.13.3" }],
  ["secrets", "secrets", "Secrets", { placeholder: "API_KEY" }],
  ["seconds", "limits.seconds", "Seconds", { type: "number", min: 0, step: "any", placeholder: "default" }],
  ["memory", "limits.memory_mib", "Memory, MiB", { type: "number", min: 16, step: 1, placeholder: "default" }],
];
const FOR_SOURCES = ["packages", "secrets"];

const kindOf = (definition) => (definition.preset ? "preset" : definition.grader ? "grader" : "source");
const textOf = (definition) => definition.source ?? pretty(definition.grader ?? definition.options ?? "{}");
/** Graders and options are text on the wire and mappings in a job's YAML. */
const pretty = (value) => `${JSON.stringify(typeof value === "string" ? JSON.parse(value) : value, null, 2)}\n`;
const words = (text) => text.split(/\s+/).filter(Boolean);
/** memoryMib from the wire, memory_mib from a job's YAML. */
const snake = (limits) => Object.fromEntries(Object.entries(limits ?? {}).map(([key, value]) => [key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]));

export class RewardCard {
  constructor({ name, weight, definition }, index, training, onremove) {
    this.index = index;
    this.training = training;
    this.rows = [];
    this.warnings = [];
    this.nameInput = h("input", { id: `reward-name-${index}`, value: name, autocomplete: "off", spellcheck: "false" });
    this.weightInput = h("input", { id: `reward-weight-${index}`, type: "number", step: "0.1", value: weight });
    this.kind = h("select", { id: `reward-kind-${index}`, onchange: () => this.changeKind() }, Object.entries(KINDS).map(([key, { label }]) => h("option", { value: key }, label)));
    this.code = editor({ id: `reward-source-${index}`, label: `Source of reward ${name}`, value: "" });
    this.uses = Object.fromEntries(USES.map(([key, , , attributes]) => [key, h("input", { id: `reward-${key}-${index}`, autocomplete: "off", spellcheck: "false", ...attributes })]));
    this.useFields = Object.fromEntries(USES.map(([key, , label]) => [key, labelled(label, this.uses[key])]));
    this.foldName = h("summary", {});
    this.remarks = h("ul", { class: "remarks", id: `reward-warnings-${index}`, "aria-label": `Warnings about reward ${name}`, hidden: true });
    this.button = h("button", { class: "btn", type: "button", id: `try-reward-${index}`, onclick: () => this.tryIt() }, "Try it");
    this.hint = h("span", { class: "muted" }, "Scores sample completions in the sandbox.");
    this.problem = h("div", { id: `try-error-${index}` });
    this.results = h("div", { class: "tries", id: `try-results-${index}` });
    this.element = h("article", { class: "reward-card" },
      h("div", { class: "reward-head" }, labelled("Name", this.nameInput), labelled("Kind", this.kind), labelled("Weight", this.weightInput),
        h("button", { class: "btn quiet", type: "button", "aria-label": `Remove reward ${name}`, onclick: () => onremove(this) }, "Remove")),
      this.code, this.remarks,
      h("details", {}, this.foldName, h("div", { class: "uses" }, Object.values(this.useFields))),
      h("div", { class: "reward-foot" }, this.button, this.hint), this.problem, this.results);
    this.definition = definition;
  }

  get name() { return this.nameInput.value.trim(); }
  get weight() { return Number(this.weightInput.value); }
  get text() { return this.code.value; }

  /** Errors of the server name fields by the reward's position. */
  place(position) {
    this.nameInput.dataset.field = `rewards[${position}].name`;
    this.weightInput.dataset.field = `rewards[${position}].weight`;
    for (const [key, field] of USES) this.uses[key].dataset.field = `rewards[${position}].${field}`;
  }

  set definition(definition) {
    const limits = snake(definition.limits);
    this.card = {
      kind: kindOf(definition), text: textOf(definition), limits,
      packages: (definition.packages ?? []).join(" "), secrets: (definition.secrets ?? []).join(" "),
      seconds: limits.seconds ?? "", memory: limits.memory_mib ?? "",
    };
  }

  /** What the inputs hold, valid or not: kept while the page is left. */
  get card() {
    const uses = Object.fromEntries(Object.entries(this.uses).map(([key, input]) => [key, input.value]));
    return { kind: this.kind.value, text: this.text, limits: this.limits, ...uses };
  }

  set card({ kind, text, limits, ...uses }) {
    this.kind.value = kind;
    this.texts = {};
    this.code.value = text;
    this.limits = limits;
    for (const [key, input] of Object.entries(this.uses)) input.value = uses[key] ?? "";
    this.showKind();
    this.warn([]);
  }

  /** What was written as one kind is there again when it is chosen again. */
  changeKind() {
    this.texts[this.shown] = this.text;
    this.code.value = this.texts[this.kind.value] ?? KINDS[this.kind.value].text;
    this.showKind();
    this.warn([]);
  }

  showKind() {
    this.shown = this.kind.value;
    const isSource = this.shown === "source";
    for (const key of FOR_SOURCES) this.useFields[key].hidden = !isSource;
    this.foldName.textContent = isSource ? "Packages, secrets, limits" : "Limits";
  }

  /** As the wire has it. Throws where the editor should hold JSON and does not. */
  get definition() {
    const limits = { ...this.limits, seconds: Number(this.uses.seconds.value) || undefined, memory_mib: Number(this.uses.memory.value) || undefined };
    if (this.kind.value === "source") return { source: this.text, packages: words(this.uses.packages.value), secrets: words(this.uses.secrets.value), limits };
    try {
      JSON.parse(this.text);
    } catch (error) {
      throw new Error(`Reward ${this.name} is not valid JSON: ${error.message}`);
    }
    return this.kind.value === "preset" ? { preset: "triton", options: this.text, limits } : { grader: this.text, limits };
  }

  /** Show remarks on the source, by line. */
  warn(warnings = []) {
    this.warnings = warnings;
    this.remarks.hidden = !warnings.length;
    this.remarks.replaceChildren(...warnings.map(({ line = 0, rule, message }) => h("li", {}, h("b", { class: "num" }, line ? `Line ${line}` : "Source"), h("span", {}, message), h("code", {}, rule))));
  }

  async tryIt() {
    showError(this.problem, null);
    this.button.disabled = true;
    this.hint.textContent = "Running in the sandbox…";
    try {
      await this.loadRows();
      const definition = this.definition;
      // A request for each row: several completions of one row are a group.
      const answers = await Promise.all(this.rows.map((one) => rpc("RewardsService", "TestReward", { definition, rows: [one.row], completions: one.completions() })));
      answers.forEach(({ verdicts = [] }, index) => this.rows[index].show(verdicts));
      this.warn(answers[0]?.warnings);
      const isolation = answers[0]?.verdicts?.[0]?.isolation;
      this.hint.textContent = `${isolation ? `Isolation: ${isolation}. ` : ""}Change a completion and try again.`;
    } catch (error) {
      this.hint.textContent = "";
      showError(this.problem, error);
    }
    this.button.disabled = false;
  }

  /** The first rows of the training file; their completions can be edited. */
  async loadRows() {
    const file = this.training();
    if (!file) throw new Error("Choose a training file first: the try runs on its rows.");
    if (this.fileId === file.id) return;
    const { rows = [] } = await rpc("FilesService", "PreviewFile", { id: file.id, limit: 100 });
    const filled = rows.filter((row) => row.example?.completion);
    this.rows = (filled.length ? filled : rows).slice(0, ROWS_TRIED).map((row) => new Try(row));
    this.results.replaceChildren(...this.rows.map((one) => one.element));
    this.fileId = file.id;
  }
}

function labelled(text, input) {
  return h("div", {}, h("label", { for: input.id }, text), input);
}
