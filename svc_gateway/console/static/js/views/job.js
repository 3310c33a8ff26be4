// One job: live charts from its events, its completions, and held-out answers of base and tuned model.
import { follow, rpc } from "../api.js";
import { chart } from "../charts.js";
import { badge, differing, h, isOver, number, plural, score, showError, stateOf, statusName, toast } from "../dom.js";
import { isStart, startName, table as heldOutTable } from "./heldout.js";
import { Rewards } from "./job-rewards.js";
import { Lifecycle } from "./job-lifecycle.js";
import { Signs } from "./job-signs.js";

const COMPLETIONS_SHOWN = 20;
const HELD_OUT_SHOWN = 8;
const COMPLETIONS_READ = 500;
const REFRESH_MS = 1500;

export async function render(root, { id }) {
  const { job } = await rpc("JobsService", "GetJob", { id });
  const page = new Page(root, job);
  return () => page.stop();
}

class Page {
  constructor(root, job) {
    this.job = job;
    this.steps = [];
    this.evaluations = [];
    this.refreshing = null;
    this.filter = { purpose: "all", order: "newest" };
    this.shown = COMPLETIONS_SHOWN;
    this.layout(root);
    this.draw();
    this.refreshCompletions();
    this.unfollow = follow(job.id, {
      job_updated: ({ jobUpdated }) => this.onUpdate(jobUpdated),
      step_completed: ({ stepCompleted }) => this.onStep(stepCompleted),
      policy_published: ({ policyPublished }) => this.onPolicy(policyPublished),
      rewards_updated: ({ rewardsUpdated }) => this.rewards.onUpdated(rewardsUpdated),
      evaluation_completed: ({ evaluationCompleted }) => this.onEvaluation(evaluationCompleted),
      curriculum_advanced: ({ curriculumAdvanced }) => this.signs.onLevel(curriculumAdvanced),
      alarm_raised: ({ alarmRaised }) => this.signs.onAlarm(alarmRaised),
    }, (connected) => { this.live.hidden = connected || isOver(this.job); });
  }

  layout(root) {
    const { job } = this;
    this.state = h("span");
    this.live = h("span", { class: "muted", hidden: true }, "Reconnecting…");
    this.cancel = h("button", { class: "btn danger", id: "cancel-job", type: "button", onclick: () => this.onCancel() }, "Cancel");
    this.chat = h("a", { class: "btn", id: "chat-with-job", href: "#/chat" }, "Chat with it");
    this.download = h("a", { class: "btn", id: "download-adapter" }, "Download adapter");
    this.again = h("a", { class: "btn", href: `#/new?from=${job.id}` }, "Run again");
    this.problem = h("div", { id: "job-error" });
    this.progress = h("div", { class: "progress" });
    this.tiles = h("div", { class: "tiles", id: "tiles" });
    this.charts = {
      reward: chart({ id: "chart-reward", title: "Reward", wide: true, waiting: "Rewards appear with the first RL step" }),
      loss: chart({ id: "chart-loss", title: "Loss", digits: 3 }),
      speed: chart({ id: "chart-speed", title: "Tokens per second", digits: 0 }),
      length: chart({ id: "chart-length", title: "Completion length", digits: 0, waiting: "Lengths appear with the first RL step" }),
      spread: chart({ id: "chart-spread", title: "Reward deviation", digits: 3, waiting: "Appears with the first RL step" }),
    };
    this.heldOut = h("div", { id: "held-out" });
    this.completions = h("div", { id: "completions" });
    this.rewards = new Rewards(job);
    this.signs = new Signs();
    this.lifecycle = new Lifecycle(job, () => this.draw());
    const pick = (name, label, options) => h("select", { "aria-label": label, id: `completions-${name}`, onchange: (event) => { this.filter[name] = event.target.value; this.refreshCompletions(); } },
      options.map(([value, text]) => h("option", { value }, text)));
    root.append(
      h("a", { class: "crumb", href: "#/jobs" }, "← Jobs"),
      h("div", { class: "head" },
        h("div", {}, h("div", { class: "title" }, h("h1", { id: "job-name" }, job.spec?.name || job.id), this.state, this.live),
          h("p", {}, h("span", { class: "mono", id: "job-id" }, job.id), " · ", job.spec?.baseModel, " · ", (job.spec?.rewards ?? []).map((one) => one.name).join(", "))),
        h("div", { class: "actions" }, this.chat, this.download, this.again, this.lifecycle.buttons, this.cancel)),
      this.problem, this.lifecycle.problem, this.signs.element, this.progress, this.tiles,
      h("div", { class: "charts" }, Object.values(this.charts).map((one) => one.element)),
      this.rewards.element, ...this.lifecycle.elements,
      h("section", { class: "card", "aria-label": "Held-out rows" }, h("header", {}, h("h2", {}, "Held-out rows"), h("span", { class: "muted" }, "never trained on")), this.heldOut),
      h("section", { class: "card", "aria-label": "Completions" },
        h("header", {}, h("h2", {}, "Completions"),
          h("div", { class: "filters" },
            pick("purpose", "Which completions", [["all", "All"], ["PURPOSE_TRAIN", "Training"], ["PURPOSE_EVALUATION", "Held-out"]]),
            pick("order", "Order", [["newest", "Newest first"], ["best", "Best first"], ["worst", "Worst first"]]))),
        this.completions));
    this.heldOut.append(h("div", { class: "empty" }, "The base model's answers appear when the first evaluation is done."));
  }

  onUpdate(update) {
    if (this.lifecycle.outdated(update)) return;
    this.lifecycle.refreshSoon();
    Object.assign(this.job, { state: update.state, stage: update.stage, message: update.message });
    if (Number(update.totalSteps)) this.job.totalSteps = update.totalSteps;
    if (isOver(this.job)) this.rewards.takeNewest();
    this.draw();
    this.refreshSoon();
  }

  onStep(step) {
    this.lifecycle.refreshSoon();
    this.steps.push(step);
    this.signs.onStep(step);
    Object.assign(this.job, { step: step.step, stage: step.stage, totalSteps: step.totalSteps, bottleneck: step.bottleneck });
    this.draw();
    this.refreshSoon();
  }

  onPolicy(policy) {
    this.job.adapter = policy.adapter;
    this.draw();
  }

  onEvaluation(evaluation) {
    this.evaluations = [...this.evaluations.filter((one) => one.label !== evaluation.label), evaluation];
    this.signs.onEvaluation(evaluation);
    this.drawHeldOut();
    this.draw();
  }

  drawHeldOut() {
    const { element, hidden } = heldOutTable(this.evaluations, this.allHeldOut ? Infinity : HELD_OUT_SHOWN);
    const all = () => { this.allHeldOut = true; this.drawHeldOut(); };
    this.heldOut.replaceChildren(element, hidden ? h("div", { class: "more" }, h("button", { class: "btn small", type: "button", id: "all-held-out", onclick: all }, `Show ${hidden} more`)) : "");
  }

  async onCancel() {
    this.cancel.disabled = true;
    try {
      const { job } = await rpc("JobsService", "CancelJob", { id: this.job.id });
      this.job.message = job.message;
      toast("", "The job stops at the next step boundary. Its adapters stay.");
    } catch (error) {
      showError(this.problem, error);
      this.cancel.disabled = false;
    }
    this.draw();
  }

  draw() {
    if (!this.drawing) {
      this.drawing = requestAnimationFrame(() => { this.drawing = 0; this.drawNow(); });
    }
  }

  drawNow() {
    const { job } = this;
    const over = isOver(job);
    this.state.replaceWith(this.state = badge(stateOf(job), "job-state"));
    this.cancel.hidden = over;
    this.lifecycle.draw();
    if (over) this.live.hidden = true;
    this.chat.hidden = this.download.hidden = !job.adapter;
    if (job.adapter) {
      this.chat.href = `#/chat?model=${encodeURIComponent(job.adapter.name)}`;
      this.download.href = `v1/adapters/${encodeURIComponent(job.adapter.name)}/content`;
    }
    this.drawProgress(over);
    this.drawTiles();
    this.drawCharts();
    if (stateOf(job) === "failed") showError(this.problem, new Error(sentence(job.message) || "The job failed."));
  }

  drawProgress(over) {
    const { job } = this;
    const step = Number(job.step ?? 0);
    const total = Number(job.totalSteps ?? 0);
    const done = stateOf(job) === "succeeded" ? 100 : total ? (100 * step) / total : 0;
    this.progress.replaceChildren(
      h("div", { class: "line" }, h("span", { id: "job-message" }, stateOf(job) === "failed" ? "" : sentence(job.message) || (over ? "" : "Waiting for a learner")),
        h("span", { class: "num", id: "job-step" }, total ? `Step ${step} of ${total}` : "")),
      h("div", { class: "muted", id: "job-bottleneck", hidden: over || !job.bottleneck }, job.bottleneck ?? ""),
      h("div", { class: `bar${over ? " done" : ""}`, role: "progressbar", "aria-label": "Progress", "aria-valuenow": done.toFixed(0), "aria-valuemin": "0", "aria-valuemax": "100" },
        h("i", { style: `width:${done}%` })));
  }

  drawTiles() {
    const metric = (name) => this.steps.findLast((step) => step.metrics?.[name] !== undefined)?.metrics[name];
    const base = this.evaluations.find(isStart);
    const tuned = this.evaluations.findLast((one) => !isStart(one));
    const gain = base && tuned ? (tuned.rewardMean ?? 0) - (base.rewardMean ?? 0) : null;
    const tile = (id, label, value, foot, kind = "") => h("div", { class: "card tile", id }, h("div", { class: "label" }, label), h("b", {}, value), h("small", { class: kind }, foot));
    this.tiles.replaceChildren(
      tile("tile-heldout", "Held-out reward", number(tuned ? tuned.rewardMean ?? 0 : base ? base.rewardMean ?? 0 : null),
        gain === null ? (base ? startName(base) : "not evaluated yet") : `${gain >= 0 ? "+" : "−"}${number(Math.abs(gain))} against ${base.label}`, gain === null ? "" : gain > 0 ? "up" : gain < 0 ? "down" : ""),
      tile("tile-reward", "Training reward", number(metric("reward/mean")), metric("reward/std") === undefined ? "no RL step yet" : `± ${number(metric("reward/std"))}`),
      tile("tile-loss", "Loss", number(metric("loss"), 3), this.steps.length ? `${this.steps.at(-1).stage} step ${this.steps.at(-1).step}` : "no step yet"),
      tile("tile-speed", "Tokens per second", number(metric("tokens_per_second"), 0), "sampled and trained"),
      tile("tile-adapter", "Adapter", this.job.adapter ? `v${this.job.adapter.policyVersion ?? 0}` : "–", this.job.adapter ? `rank ${this.job.adapter.rank}, served now` : "none published yet"));
  }

  drawCharts() {
    const xs = this.steps.map((step) => Number(step.step));
    const line = (label, name) => ({ label, values: this.steps.map((step) => step.metrics?.[name] ?? null) });
    const names = [...new Set(this.steps.flatMap((step) => Object.keys(step.metrics ?? {})))].sort();
    const parts = names.filter((name) => name.startsWith("reward/") && !["reward/mean", "reward/std"].includes(name));
    const several = parts.length > 1;
    this.drawReward(several ? parts : []);
    this.charts.loss.update(xs, [line("Loss", "loss")]);
    this.charts.speed.update(xs, [line("Tokens/s", "tokens_per_second")]);
    this.charts.length.update(xs, [line("Mean tokens", "completion_tokens/mean"), line("Max tokens", "completion_tokens/max")]);
    this.charts.spread.update(xs, [line("Standard deviation", "reward/std")]);
  }

  /** Training reward and its parts by step, with the held-out mean at the steps that were evaluated. */
  drawReward(parts) {
    const byStep = new Map(this.steps.filter((step) => step.metrics?.["reward/mean"] !== undefined).map((step) => [Number(step.step), step.metrics]));
    const held = new Map(this.evaluations.map((one) => [Number(one.policyVersion ?? 0), one.rewardMean ?? 0]));
    const xs = [...new Set([...byStep.keys(), ...held.keys()])].sort((a, b) => a - b);
    const values = (name) => xs.map((x) => byStep.get(x)?.[name] ?? null);
    this.charts.reward.update(xs, [
      { label: "Training mean", values: values("reward/mean") },
      { label: "Held-out mean", values: xs.map((x) => held.get(x) ?? null), points: true, dash: [5, 4] },
      ...parts.map((name) => ({ label: name.replace("reward/", ""), values: values(name) })),
    ]);
  }

  refreshSoon() {
    this.refreshing ??= setTimeout(() => { this.refreshing = null; this.refreshCompletions(); }, REFRESH_MS);
  }

  async refreshCompletions() {
    try {
      const { completions = [] } = await rpc("JobsService", "ListCompletions", { jobId: this.job.id, pageSize: this.filter.order === "newest" && this.filter.purpose === "all" ? this.shown + 1 : COMPLETIONS_READ });
      const found = select(completions, this.filter);
      const more = h("div", { class: "more" }, h("button", { class: "btn small", type: "button", id: "more-completions", onclick: () => { this.shown *= 3; this.refreshCompletions(); } }, "Show more"));
      this.completions.replaceChildren(completionsTable(found.slice(0, this.shown)), found.length > this.shown ? more : "");
    } catch (error) {
      showError(this.completions, error);
    }
    if (!isOver(this.job)) this.refreshSoon();
  }

  stop() {
    this.unfollow?.();
    this.lifecycle.stop();
    clearTimeout(this.refreshing);
    this.refreshing = -1;
    Object.values(this.charts).forEach((one) => one.destroy());
  }
}

const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");

function select(completions, { purpose, order }) {
  const kept = completions.filter((one) => purpose === "all" || one.purpose === purpose);
  const value = (one) => one.reward ?? -Infinity;
  if (order === "best") kept.sort((a, b) => value(b) - value(a));
  if (order === "worst") kept.sort((a, b) => value(a) - value(b));
  return kept;
}

function completionsTable(completions) {
  if (!completions.length) return h("div", { class: "empty" }, "Completions appear here as they are scored.");
  const brief = differing(completions.map((one) => one.prompt));
  return h("div", { class: "scroll" }, h("table", { class: "completions stacked" },
    h("thead", {}, h("tr", {}, ["Policy", "Prompt", "Completion", "Scores"].map((name) => h("th", {}, name)))),
    h("tbody", {}, completions.map((one) => h("tr", { "data-completion": one.completionId },
      h("td", { class: "step num" }, h("div", {}, `v${one.policyVersion ?? 0}`), one.purpose === "PURPOSE_EVALUATION" ? h("small", {}, "held-out") : ""),
      h("td", { class: "prompt", "data-label": "Prompt" }, h("div", { class: "text muted", title: one.prompt }, brief(one.prompt))),
      h("td", { "data-label": `Completion · ${plural(one.tokens ?? 0, "token")}` }, h("div", { class: "text" }, one.completion || "(empty)")),
      h("td", { class: "scores" }, h("div", { class: "chips" }, scores(one))))))));
}

// Named parts, hacks that were found, and what the score came from.
function provenance(one) {
  const parts = Object.entries(one.parts ?? {}).map(([name, value]) => `${name} ${number(value)}`).join(", ");
  const origin = `revision ${(one.revision ?? "").slice(0, 8)}, ${one.isolation}, ${number(one.cpuMs ?? 0, 0)} ms CPU, seed ${one.seed ?? 0}${one.image ? `, ${one.image.slice(0, 19)}` : ""}`;
  return [one.message || one.stdout, parts, (one.flags ?? []).join(", "), origin].filter(Boolean).join("\n");
}

function scores(one) {
  const parts = (one.scores ?? []).map((part) => score(part.name, part.value, statusName(part.status), provenance(part)));
  return parts.length === 1 ? parts : [score("reward", one.reward, one.reward === undefined ? "left out" : "ok"), ...parts];
}
