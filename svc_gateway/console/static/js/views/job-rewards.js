// The rewards of one job: its numbered sets, other ones from a step on, and back again.
import { rpc } from "../api.js";
import { h, isOver, showError, toast } from "../dom.js";
import { editor } from "../editor.js";
import { rescored } from "./rescored.js";

const SHADOW = `def reward(prompt: str, completion: str, example: dict[str, str]) -> float:
    """Scored, stored and measured; training does not hear it."""
    return float(len(completion) < 200)
`;

export class Rewards {
  constructor(job) {
    this.job = job;
    this.applied = new Map();
    const button = (id, text, onclick) => h("button", { class: "btn small", id, type: "button", onclick }, text);
    this.shadow = button("add-shadow", "Add a shadow", () => this.addShadow());
    this.back = button("rollback-rewards", "Roll back", () => this.send({ rollbackTo: 0 }));
    this.discard = button("discard-rewards", "Discard changes", () => this.takeNewest());
    this.change = h("button", { class: "btn primary", id: "update-rewards", type: "button", onclick: () => this.update() }, "Apply");
    this.step = h("input", { id: "rewards-step", type: "number", min: 1, step: 1, placeholder: "next boundary" });
    this.reason = h("input", { id: "rewards-reason", placeholder: "for people", autocomplete: "off" });
    this.problem = h("div", { id: "rewards-error" });
    this.rows = h("tbody", { id: "rewards-in-force" });
    this.tried = h("div", { id: "rescored" });
    this.history = h("tbody", { id: "reward-sets" });
    const head = (...titles) => h("thead", {}, h("tr", {}, titles.map((title) => h("th", {}, title))));
    this.foot = h("div", { class: "reward-foot", style: "align-items: end" },
      h("div", {}, h("label", { for: "rewards-step" }, "From step"), this.step), h("div", {}, h("label", { for: "rewards-reason" }, "Reason"), this.reason), this.change, this.discard);
    this.element = h("section", { class: "card", "aria-label": "Rewards", oninput: () => this.touch() },
      h("header", {}, h("h2", {}, "Rewards"), h("div", { class: "filters" }, this.shadow, this.back)),
      h("div", { class: "scroll" }, h("table", {}, head("Reward", "Revision", "Weight", ""), this.rows)),
      h("div", { class: "body stack" }, this.foot, this.problem, this.tried),
      h("details", { class: "body" }, h("summary", {}, "History of the sets"), h("div", { class: "scroll" }, h("table", {}, head("Set", "Since", "Rewards", "Reason", ""), this.history))));
    this.takeNewest();
  }

  /** The event that says so may be here before the gateway's own read model has it. */
  get inForce() { return [...this.applied.keys()].at(-1) ?? (this.job.rewardSet || 1); }

  get newest() { return (this.job.rewardSets ?? []).at(-1); }

  /** A step boundary at which a set came into force. */
  onUpdated({ step, after }) {
    this.applied.set(after.number, Number(step));
    this.refresh();
  }

  async refresh() {
    try {
      this.take((await rpc("JobsService", "GetJob", { id: this.job.id })).job);
    } catch (error) {
      showError(this.problem, error);
    }
  }

  take(job) {
    Object.assign(this.job, { rewardSets: job.rewardSets, rewardSet: job.rewardSet });
    if (this.touched) this.draw(); // What is being edited stays; the gateway refuses it where it is outdated.
    else this.takeNewest();
  }

  takeNewest() {
    this.touched = false;
    this.base = this.newest?.number ?? 0;
    this.cards = (this.newest?.rewards ?? []).map((one) => new Card(one, this));
    this.step.value = this.reason.value = "";
    this.drawRows();
  }

  touch() {
    this.touched = true;
    this.draw();
  }

  drawRows() {
    this.rows.replaceChildren(...this.cards.flatMap((card) => card.rows));
    this.draw();
  }

  draw() {
    const over = isOver(this.job) || !this.newest;
    this.shadow.hidden = this.foot.hidden = over;
    this.back.hidden = over || this.job.rewardSets.length < 2;
    this.discard.hidden = !this.touched;
    this.history.replaceChildren(...(this.job.rewardSets ?? []).toReversed().map((set) => h("tr", {},
      h("td", {}, `${set.number}${set.number === this.inForce ? ", in force" : ""}`),
      h("td", {}, this.since(set)),
      h("td", {}, set.rewards.map((one) => `${one.name} ${one.weight ?? 0} (${one.revision.slice(0, 8)})`).join(", ")),
      h("td", {}, set.reason ?? ""),
      h("td", {}, over || set === this.newest ? "" : h("button", { class: "btn small", type: "button", onclick: () => this.send({ rollbackTo: set.number }) }, "Go back to it")))));
  }

  since(set) {
    const step = this.applied.get(set.number);
    if (step) return `step ${step}`;
    if (set.number === 1) return "the start";
    if (isOver(this.job) || set.number <= this.inForce) return "never in force";
    return Number(set.fromStep ?? 0) ? `waits for step ${set.fromStep}` : "waits for the next boundary";
  }

  addShadow() {
    const taken = this.cards.map((card) => card.name);
    let index = 1;
    while (taken.includes(`shadow_${index}`)) index += 1;
    this.cards.push(new Card({ name: `shadow_${index}`, weight: 0 }, this));
    this.touched = true;
    this.drawRows();
  }

  remove(card) {
    this.cards = this.cards.filter((one) => one !== card);
    this.touched = true;
    this.drawRows();
  }

  async update() {
    await this.send(async () => ({ rewards: await Promise.all(this.cards.map((card) => card.save())), newestSet: this.base }));
  }

  /** Ask for a set: a request, or what makes one. */
  async send(request) {
    showError(this.problem, null);
    this.change.disabled = this.back.disabled = true;
    try {
      const wanted = typeof request === "function" ? await request() : request;
      const { job, rewardSet } = await rpc("JobsService", "UpdateJobRewards", { id: this.job.id, atStep: this.step.value || 0, reason: this.reason.value, ...wanted });
      this.touched = false;
      this.take(job);
      toast("", `Set ${rewardSet.number} applies from ${Number(rewardSet.fromStep ?? 0) ? `step ${rewardSet.fromStep}` : "the next step boundary"} on.`);
    } catch (error) {
      showError(this.problem, error);
    }
    this.change.disabled = this.back.disabled = false;
  }

  async rescore(card) {
    showError(this.problem, null);
    this.tried.replaceChildren(h("p", { class: "muted" }, "Judging stored completions…"));
    try {
      const { completions = [] } = await rpc("JobsService", "RescoreCompletions", { jobId: this.job.id, ...card.reward() });
      this.tried.replaceChildren(...rescored(card.name, completions));
    } catch (error) {
      this.tried.replaceChildren();
      showError(this.problem, error);
    }
  }
}

/** One reward of the set that is being made: its weight, and its source once somebody edits it. */
class Card {
  constructor(one, panel) {
    this.one = one;
    this.panel = panel;
    const button = (text, onclick) => h("button", { class: "btn small", type: "button", "aria-label": `${text} ${one.name}`, onclick }, text);
    this.weight = h("input", { type: "number", step: "any", value: one.weight ?? 0, "aria-label": `Weight of ${one.name}` });
    this.nameInput = one.revision ? null : h("input", { value: one.name, "aria-label": "Name of the shadow", autocomplete: "off", spellcheck: "false" });
    this.edit = button("Edit", () => this.open());
    this.place = h("td", { colspan: 4 });
    this.below = h("tr", { hidden: true }, this.place);
    const actions = isOver(panel.job) ? [] : [this.edit, button("Remove", () => panel.remove(this))];
    this.rows = [
      h("tr", {}, h("td", {}, this.nameInput ?? one.name), h("td", { class: "mono" }, one.revision?.slice(0, 8) ?? "new"), h("td", {}, this.weight),
        h("td", {}, h("div", { class: "filters" }, actions, button("Re-score", () => panel.rescore(this))))),
      this.below,
    ];
    if (!one.revision) this.show({ source: SHADOW });
  }

  get name() { return this.nameInput?.value.trim() ?? this.one.name; }

  async open() {
    this.edit.disabled = true;
    try {
      const { reward } = await rpc("RewardsService", "GetReward", { name: this.one.name, revision: this.one.revision });
      this.show(reward.definition);
    } catch (error) {
      this.edit.disabled = false;
      showError(this.panel.problem, error);
    }
  }

  /** Graders and a preset's options are text on the wire as well. */
  show(definition) {
    this.edit.disabled = true;
    this.definition = definition;
    this.key = ["source", "grader"].find((key) => definition[key]) ?? "options";
    this.code = editor({ id: `edit-${this.one.name}`, label: `Source of reward ${this.one.name}`, value: definition[this.key] ?? "{}" });
    this.place.replaceChildren(this.code);
    this.below.hidden = false;
  }

  edited() {
    return { ...this.definition, [this.key]: this.code.value };
  }

  /** For re-scoring: what the editor holds, or the revision of the set. */
  reward() {
    return this.code ? { definition: this.edited() } : { name: this.one.name, revision: this.one.revision };
  }

  /** Create the revision where there is a source; the reference that a set takes. */
  async save() {
    const weight = Number(this.weight.value);
    if (!this.code) return { name: this.one.name, revision: this.one.revision, weight };
    const { reward } = await rpc("RewardsService", "CreateReward", { name: this.name, definition: this.edited() });
    return { name: reward.name, revision: reward.revision, weight };
  }
}
