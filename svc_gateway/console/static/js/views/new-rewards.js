// Rewards: an editor for each, and a try on real rows in the real sandbox.
import { rpc } from "../api.js";
import { h, number, score, showError } from "../dom.js";
import { editor } from "../editor.js";
import { promptOf } from "./new-data.js";

const ROWS_TRIED = 3;
const TEMPLATE = `def reward(prompt: str, completion: str, example: dict[str, str]) -> float:
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

const kindOf = (definition) => (definition.preset ? "preset" : definition.grader ? "grader" : "source");
const textOf = (definition) => definition.source ?? pretty(definition.grader ?? definition.options ?? "{}");
/** Graders and options are text on the wire and mappings in a job's YAML. */
const pretty = (value) => `${JSON.stringify(typeof value === "string" ? JSON.parse(value) : value, null, 2)}\n`;
const words = (text) => text.split(/\s+/).filter(Boolean);

export class RewardsSection {
  constructor(changed, training) {
    this.changed = changed;
    this.training = training;
    this.saved = [];
    this.rewards = [];
    this.list = h("div", { class: "stack", id: "rewards" });
    this.library = h("select", { id: "reward-library", "aria-label": "Add a saved reward", onchange: () => this.addSaved() });
    this.element = h("section", { class: "card", "aria-label": "Rewards" },
      h("header", {}, h("h2", { class: "step-title" }, h("i", {}, "2"), "Rewards"), h("div", { class: "filters" }, this.library,
        h("button", { class: "btn small", type: "button", id: "add-reward", onclick: () => this.add({ name: this.freeName(), weight: 1, definition: { source: TEMPLATE } }) }, "Add"))),
      h("div", { class: "body stack" }, h("p", { class: "muted" }, "Plain Python; the job's reward is the weighted sum. ", h("code", {}, "print()"), " goes to the log; an exception is an error, not a score."), this.list));
    this.add({ name: "quality", weight: 1, definition: { source: TEMPLATE } });
  }

  freeName() {
    const taken = this.names();
    let index = 2;
    while (taken.includes(`reward_${index}`)) index += 1;
    return `reward_${index}`;
  }

  async refresh() {
    this.saved = (await rpc("RewardsService", "ListRewards", { pageSize: 200 })).rewards ?? [];
    this.library.replaceChildren(h("option", { value: "" }, "Saved…"), ...this.saved.map((one) => h("option", { value: one.name }, one.name)));
    this.library.hidden = !this.saved.length;
  }

  addSaved() {
    const saved = this.saved.find((one) => one.name === this.library.value);
    this.library.value = "";
    if (!saved) return;
    const untouched = this.rewards.length === 1 && this.rewards[0].text === TEMPLATE;
    if (untouched) this.remove(this.rewards[0]);
    const there = this.rewards.find((one) => one.name === saved.name);
    if (there) there.definition = saved.definition;
    else this.add({ name: saved.name, weight: 1, definition: saved.definition });
    this.changed();
  }

  add(spec) {
    const reward = new RewardCard(spec, this.rewards.length, this.training, (one) => { this.remove(one); this.changed(); });
    this.rewards.push(reward);
    this.list.append(reward.element);
    this.changed();
  }

  remove(reward) {
    this.rewards = this.rewards.filter((one) => one !== reward);
    reward.element.remove();
  }

  fill(specs) {
    for (const reward of [...this.rewards]) this.remove(reward);
    for (const { name, weight, card, definition, source, grader, preset, options, packages, secrets, limits } of specs) {
      const inline = source || grader || preset ? { source, grader, preset, options, packages, secrets, limits } : undefined;
      const known = definition ?? inline ?? this.saved.find((one) => one.name === name)?.definition;
      this.add({ name, weight: weight ?? 1, definition: known ?? { source: TEMPLATE } });
      if (card) this.rewards.at(-1).card = card;
    }
  }

  names() {
    return this.rewards.map((one) => one.name);
  }

  value() {
    return this.rewards.map(({ name, weight, card }) => ({ name, weight, card }));
  }

  /** Create the revisions; the references that a job takes. */
  async save() {
    return Promise.all(this.rewards.map(async (one) => {
      const { reward } = await rpc("RewardsService", "CreateReward", { name: one.name, definition: one.definition });
      return { name: reward.name, revision: reward.revision, weight: one.weight };
    }));
  }
}

class RewardCard {
  constructor({ name, weight, definition }, index, training, onremove) {
    this.training = training;
    this.rows = [];
    this.nameInput = h("input", { id: `reward-name-${index}`, value: name, "data-field": `rewards[${index}].name`, autocomplete: "off", spellcheck: "false" });
    this.weightInput = h("input", { id: `reward-weight-${index}`, type: "number", step: "0.1", value: weight, "data-field": `rewards[${index}].weight` });
    this.kind = h("select", { id: `reward-kind-${index}`, "aria-label": `Kind of reward ${name}`, onchange: () => { this.code.value = KINDS[this.kind.value].text; } }, Object.entries(KINDS).map(([key, { label }]) => h("option", { value: key }, label)));
    this.code = editor({ id: `reward-source-${index}`, label: `Source of reward ${name}`, value: "" });
    this.packages = h("input", { id: `reward-packages-${index}`, placeholder: "sympy==1.13.3", autocomplete: "off", spellcheck: "false" });
    this.secrets = h("input", { id: `reward-secrets-${index}`, placeholder: "API_KEY", autocomplete: "off", spellcheck: "false" });
    this.seconds = h("input", { id: `reward-seconds-${index}`, type: "number", min: 0, step: "any", placeholder: "default" });
    this.definition = definition;
    this.button = h("button", { class: "btn", type: "button", id: `try-reward-${index}`, onclick: () => this.tryIt() }, "Try it");
    this.hint = h("span", { class: "muted" }, "Scores sample completions in the sandbox.");
    this.problem = h("div", { id: `try-error-${index}` });
    this.results = h("div", { class: "tries", id: `try-results-${index}` });
    this.element = h("article", { class: "reward-card" },
      h("div", { class: "reward-head" }, h("div", {}, h("label", { for: this.nameInput.id }, "Name"), this.nameInput), h("div", {}, h("label", { for: this.weightInput.id }, "Weight"), this.weightInput),
        h("button", { class: "btn quiet", type: "button", "aria-label": `Remove reward ${name}`, onclick: () => onremove(this) }, "Remove")),
      this.kind, this.code,
      h("details", {}, h("summary", {}, "Packages, secrets, limits"), h("div", { class: "three" },
        h("div", {}, h("label", { for: this.packages.id }, "pip packages"), this.packages), h("div", {}, h("label", { for: this.secrets.id }, "Secrets"), this.secrets), h("div", {}, h("label", { for: this.seconds.id }, "Seconds"), this.seconds))),
      h("div", { class: "reward-foot" }, this.button, this.hint), this.problem, this.results);
  }

  get name() { return this.nameInput.value.trim(); }
  get weight() { return Number(this.weightInput.value); }
  get text() { return this.code.value; }

  set definition(definition) {
    this.kind.value = kindOf(definition);
    this.code.value = textOf(definition);
    this.packages.value = (definition.packages ?? []).join(" ");
    this.secrets.value = (definition.secrets ?? []).join(" ");
    this.seconds.value = definition.limits?.seconds ?? "";
    this.limits = definition.limits ?? {};
  }

  /** What the inputs hold, valid or not: kept while the page is left. */
  get card() {
    return { kind: this.kind.value, text: this.text, packages: this.packages.value, secrets: this.secrets.value, seconds: this.seconds.value, limits: this.limits };
  }

  set card({ kind, text, packages, secrets, seconds, limits }) {
    this.kind.value = kind;
    this.code.value = text;
    this.packages.value = packages;
    this.secrets.value = secrets;
    this.seconds.value = seconds;
    this.limits = limits;
  }

  /** As the wire has it. Throws where the editor should hold JSON and does not. */
  get definition() {
    const limits = { ...this.limits, seconds: Number(this.seconds.value) || undefined };
    if (this.kind.value === "source") return { source: this.text, packages: words(this.packages.value), secrets: words(this.secrets.value), limits };
    try {
      JSON.parse(this.text);
    } catch (error) {
      throw new Error(`Reward ${this.name} is not valid JSON: ${error.message}`);
    }
    return this.kind.value === "preset" ? { preset: "triton", options: this.text, limits } : { grader: this.text, limits };
  }

  async tryIt() {
    showError(this.problem, null);
    this.button.disabled = true;
    this.hint.textContent = "Running in the sandbox…";
    try {
      await this.loadRows();
      const { verdicts = [] } = await rpc("RewardsService", "TestReward", { definition: this.definition, rows: this.rows.map((one) => one.row), completions: this.rows.map((one) => one.area.value) });
      verdicts.forEach((verdict, index) => this.rows[index].show(verdict));
      this.hint.textContent = verdicts[0] ? `Isolation: ${verdicts[0].isolation}. Change a completion and try again.` : "";
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
    const labelled = rows.filter((row) => row.example?.completion);
    this.rows = (labelled.length ? labelled : rows).slice(0, ROWS_TRIED).map((row) => new Try(row));
    this.results.replaceChildren(...this.rows.map((one) => one.element));
    this.fileId = file.id;
  }
}

class Try {
  constructor(row) {
    this.row = row;
    this.area = h("textarea", { "aria-label": "Completion to score", spellcheck: "false", value: row.example?.completion ?? "" });
    this.verdict = h("div", { class: "verdict", "aria-live": "polite" });
    this.out = h("div", { class: "out", hidden: true });
    this.element = h("div", { class: "try" }, h("div", {}, h("div", { class: "label" }, "Prompt"), h("div", { class: "text muted" }, promptOf(row))),
      h("div", {}, h("div", { class: "label" }, "Completion"), this.area), h("div", {}, h("div", { class: "label" }, "Score"), this.verdict), this.out);
  }

  show(verdict) {
    this.verdict.replaceChildren(h("div", { class: "chips" }, score("", verdict.score, verdict.status), Object.entries(verdict.parts ?? {}).map(([name, value]) => score(name, value)), (verdict.flags ?? []).map((flag) => h("span", { class: "score bad" }, flag))), h("small", { class: "muted num" }, `${number((verdict.seconds ?? 0) * 1000, 0)} ms`));
    const output = [verdict.message, verdict.stdout].filter(Boolean).join("\n").trim();
    this.out.hidden = !output;
    this.out.replaceChildren(h("pre", {}, output));
  }
}
