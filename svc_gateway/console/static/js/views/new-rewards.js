// The job's rewards: a card for each, and the ones that were saved before.
import { rpc } from "../api.js";
import { h } from "../dom.js";
import { RewardCard, TEMPLATE } from "./new-reward-card.js";

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
      h("div", { class: "body stack" }, h("p", { class: "muted" }, "A Python function, an OpenAI grader or a preset; the job's reward is their weighted sum. ", h("code", {}, "print()"), " goes to the log; an exception is an error, not a score."), this.list));
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
    const taken = this.rewards.map((one) => one.index);
    let index = 0;
    while (taken.includes(index)) index += 1;
    const reward = new RewardCard(spec, index, this.training, (one) => { this.remove(one); this.changed(); });
    this.rewards.push(reward);
    this.list.append(reward.element);
    this.place();
    this.changed();
  }

  remove(reward) {
    this.rewards = this.rewards.filter((one) => one !== reward);
    reward.element.remove();
    this.place();
  }

  /** What the server calls rewards[i] is the i-th card. */
  place() {
    this.rewards.forEach((one, position) => one.place(position));
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
    return Promise.all(this.rewards.map(async (one, index) => {
      try {
        const { reward } = await rpc("RewardsService", "CreateReward", { name: one.name, definition: one.definition });
        one.warn(reward.warnings);
        return { name: reward.name, revision: reward.revision, weight: one.weight };
      } catch (error) {
        if (error.field) error.field = `rewards[${index}].${error.field}`;
        throw error;
      }
    }));
  }

  warnings() {
    return this.rewards.flatMap((one) => one.warnings.map((each) => ({ name: one.name, ...each })));
  }
}
