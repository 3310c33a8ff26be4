// Reward functions: an editor for each, and a try on real rows in the real sandbox.
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

export class RewardsSection {
  constructor(changed, training) {
    this.changed = changed;
    this.training = training;
    this.saved = [];
    this.rewards = [];
    this.list = h("div", { class: "stack", id: "rewards" });
    this.library = h("select", { id: "reward-library", "aria-label": "Add a saved reward function", onchange: () => this.addSaved() });
    this.element = h("section", { class: "card", "aria-label": "Reward functions" },
      h("header", {}, h("h2", { class: "step-title" }, h("i", {}, "2"), "Reward functions"), h("div", { class: "filters" }, this.library,
        h("button", { class: "btn small", type: "button", id: "add-reward", onclick: () => this.add({ name: this.freeName(), weight: 1, source: TEMPLATE }) }, "Add"))),
      h("div", { class: "body stack" }, h("p", { class: "muted" }, "Plain Python; the job's reward is the weighted sum. ", h("code", {}, "print()"), " goes to the log; an exception is an error, not a score."), this.list));
    this.add({ name: "quality", weight: 1, source: TEMPLATE });
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
    const untouched = this.rewards.length === 1 && this.rewards[0].source === TEMPLATE;
    if (untouched) this.remove(this.rewards[0]);
    const there = this.rewards.find((one) => one.name === saved.name);
    if (there) there.source = saved.source;
    else this.add({ name: saved.name, weight: 1, source: saved.source });
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
    for (const spec of specs) this.add({ ...spec, weight: spec.weight ?? 1, source: spec.source ?? this.saved.find((one) => one.name === spec.name)?.source ?? TEMPLATE });
  }

  names() {
    return this.rewards.map((one) => one.name);
  }

  value() {
    return this.rewards.map(({ name, weight, source }) => ({ name, weight, source }));
  }

  /** Create the revisions; the references that a job takes. */
  async save() {
    return Promise.all(this.rewards.map(async (one) => {
      const { reward } = await rpc("RewardsService", "CreateReward", { name: one.name, source: one.source });
      return { name: reward.name, revision: reward.revision, weight: one.weight };
    }));
  }
}

class RewardCard {
  constructor({ name, weight, source }, index, training, onremove) {
    this.training = training;
    this.rows = [];
    this.nameInput = h("input", { id: `reward-name-${index}`, value: name, "data-field": `rewards[${index}].name`, autocomplete: "off", spellcheck: "false" });
    this.weightInput = h("input", { id: `reward-weight-${index}`, type: "number", step: "0.1", value: weight, "data-field": `rewards[${index}].weight` });
    this.code = editor({ id: `reward-source-${index}`, label: `Source of reward ${name}`, value: source });
    this.button = h("button", { class: "btn", type: "button", id: `try-reward-${index}`, onclick: () => this.tryIt() }, "Try it");
    this.hint = h("span", { class: "muted" }, "Scores sample completions in the sandbox.");
    this.problem = h("div", { id: `try-error-${index}` });
    this.results = h("div", { class: "tries", id: `try-results-${index}` });
    this.element = h("article", { class: "reward-card" },
      h("div", { class: "reward-head" }, h("div", {}, h("label", { for: this.nameInput.id }, "Name"), this.nameInput), h("div", {}, h("label", { for: this.weightInput.id }, "Weight"), this.weightInput),
        h("button", { class: "btn quiet", type: "button", "aria-label": `Remove reward ${name}`, onclick: () => onremove(this) }, "Remove")),
      this.code, h("div", { class: "reward-foot" }, this.button, this.hint), this.problem, this.results);
  }

  get name() { return this.nameInput.value.trim(); }
  get weight() { return Number(this.weightInput.value); }
  get source() { return this.code.value; }
  set source(text) { this.code.value = text; }

  async tryIt() {
    showError(this.problem, null);
    this.button.disabled = true;
    this.hint.textContent = "Running in the sandbox…";
    try {
      await this.loadRows();
      const { verdicts = [] } = await rpc("RewardsService", "TestReward", { source: this.source, rows: this.rows.map((one) => one.row), completions: this.rows.map((one) => one.area.value) });
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
    this.verdict.replaceChildren(h("div", { class: "chips" }, score("", verdict.score, verdict.status)), h("small", { class: "muted num" }, `${number((verdict.seconds ?? 0) * 1000, 0)} ms`));
    const output = [verdict.message, verdict.stdout].filter(Boolean).join("\n").trim();
    this.out.hidden = !output;
    this.out.replaceChildren(h("pre", {}, output));
  }
}
