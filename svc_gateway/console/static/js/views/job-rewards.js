// The rewards of one job: its numbered sets, another one from the next step on, and back again.
import { rpc } from "../api.js";
import { h, isOver, number, showError, toast } from "../dom.js";

export class Rewards {
  constructor(job) {
    this.job = job;
    this.problem = h("div", { id: "rewards-error" });
    this.sets = h("div", { id: "reward-sets" });
    this.tried = h("div", { id: "rescored" });
    this.back = h("button", { class: "btn small", id: "rollback-rewards", type: "button", onclick: () => this.send({ rollbackTo: 0 }) }, "Roll back");
    this.change = h("button", { class: "btn small", id: "update-rewards", type: "button", onclick: () => this.update() }, "Apply at the next step");
    this.element = h("section", { class: "card", "aria-label": "Rewards" },
      h("header", {}, h("h2", {}, "Rewards"), h("div", { class: "filters" }, this.change, this.back)),
      this.problem, this.sets, this.tried);
    this.draw();
  }

  async refresh() {
    const { job } = await rpc("JobsService", "GetJob", { id: this.job.id });
    Object.assign(this.job, { rewardSets: job.rewardSets, rewardSet: job.rewardSet });
    this.draw();
  }

  draw() {
    const sets = this.job.rewardSets ?? [];
    const newest = sets.at(-1);
    this.back.hidden = sets.length < 2 || isOver(this.job);
    this.change.hidden = !newest || isOver(this.job);
    this.fields = (newest?.rewards ?? []).map((one) => ({
      one,
      weight: h("input", { type: "number", step: "any", value: one.weight ?? 0, "aria-label": `Weight of ${one.name}` }),
      newest: h("input", { type: "checkbox", "aria-label": `Newest revision of ${one.name}` }),
    }));
    this.sets.replaceChildren(
      h("table", {}, h("thead", {}, h("tr", {}, ["Reward", "Revision", "Weight", "Take the newest", ""].map((name) => h("th", {}, name)))),
        h("tbody", {}, this.fields.map((field) => h("tr", {},
          h("td", {}, field.one.name), h("td", { class: "mono" }, field.one.revision.slice(0, 8)), h("td", {}, field.weight), h("td", {}, field.newest),
          h("td", {}, h("button", { class: "btn small", type: "button", onclick: () => this.rescore(field.one) }, "Re-score")))))),
      h("p", { class: "muted" }, sets.map((set) => this.words(set)).join(" · ")));
  }

  words(set) {
    const current = set.number === (this.job.rewardSet ?? 1) ? ", in force" : "";
    const from = Number(set.fromStep ?? 0) ? `from step ${set.fromStep}` : "from the next step";
    return `set ${set.number} ${from}${set.reason ? ` (${set.reason})` : ""}${current}`;
  }

  update() {
    const rewards = this.fields.map(({ one, weight, newest }) => ({
      name: one.name, weight: Number(weight.value), revision: newest.checked ? "" : one.revision,
    }));
    this.send({ rewards, newestSet: this.job.rewardSets.at(-1).number });
  }

  async send(request) {
    this.problem.replaceChildren();
    this.change.disabled = this.back.disabled = true;
    try {
      const { job, rewardSet } = await rpc("JobsService", "UpdateJobRewards", { id: this.job.id, ...request });
      Object.assign(this.job, { rewardSets: job.rewardSets, rewardSet: job.rewardSet });
      toast("", `Set ${rewardSet.number} applies at the next step boundary.`);
      this.draw();
    } catch (error) {
      showError(this.problem, error);
    }
    this.change.disabled = this.back.disabled = false;
  }

  // The newest revision of the reward on what is stored, beside the rewards of then.
  async rescore(one) {
    this.tried.replaceChildren(h("p", { class: "muted" }, "Judging stored completions…"));
    try {
      const { completions = [] } = await rpc("JobsService", "RescoreCompletions", { jobId: this.job.id, name: one.name });
      const old = completions.map((each) => each.completion.reward).filter((value) => value !== undefined);
      const now = completions.map((each) => each.verdict.score).filter((value) => value !== undefined);
      this.tried.replaceChildren(h("p", {}, `${completions.length} completions: reward ${mean(old)} then, newest ${one.name} ${mean(now)} now.`));
    } catch (error) {
      this.tried.replaceChildren();
      showError(this.problem, error);
    }
  }
}

function mean(values) {
  return values.length ? number(values.reduce((sum, value) => sum + value, 0) / values.length, 3) : "–";
}
