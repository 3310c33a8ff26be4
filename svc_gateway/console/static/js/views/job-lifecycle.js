// Pausing, resuming and forking a job, and the checkpoints that it keeps.
import { rpc } from "../api.js";
import { ago, h, isOver, number, showError, stateOf, toast } from "../dom.js";

const LIMITS = [["tokens", "Tokens", "Of prompts and completions"], ["seconds", "Seconds", "Of running, pauses aside"], ["steps", "Steps", "Optimizer steps"]];

export class Lifecycle {
  /** `changed` is called when the job's state or message is another. */
  constructor(job, changed) {
    this.job = job;
    this.changed = changed;
    this.checkpoints = [];
    const button = (id, text, onclick) => h("button", { class: "btn", id, type: "button", onclick }, text);
    this.pause = button("pause-job", "Pause", () => this.call("PauseJob", {}, "The job pauses at its next step boundary, with a checkpoint."));
    this.resume = button("resume-job", "Resume", () => this.onResume());
    this.fork = button("fork-job", "Fork", () => this.openFork());
    this.problem = h("div", { id: "lifecycle-error" });
    this.rows = h("tbody", { id: "checkpoints" });
    this.budget = this.budgetDialog();
    this.branch = this.forkDialog();
    this.list = h("section", { class: "card", "aria-label": "Checkpoints", hidden: true },
      h("header", {}, h("h2", {}, "Checkpoints"), h("span", { class: "muted" }, "a job can be forked from each")),
      h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Step", "Stage", "Kept as", "Held-out", "When", ""].map((title) => h("th", {}, title)))), this.rows)));
    // A job may be resumed before it has a checkpoint.
    this.elements = [this.list, this.budget, this.branch];
    this.refresh();
  }

  get buttons() { return [this.pause, this.resume, this.fork]; }

  /** What the log says of the time before a resume is over; only an end is one for good. */
  outdated(update) {
    return !isOver(update) && Number(update.resumes ?? 0) < Number(this.job.resumes ?? 0);
  }

  draw() {
    const paused = stateOf(this.job) === "paused";
    this.pause.hidden = isOver(this.job) || paused;
    this.resume.hidden = !paused;
    this.fork.hidden = !this.checkpoints.length;
    if (isOver(this.job) || paused) this.pause.disabled = this.resume.disabled = false;
  }

  /** Once a step is durable, or a job has come to rest. */
  refreshSoon() {
    this.due ??= setTimeout(() => { this.due = null; this.refresh(); }, 1500);
  }

  async refresh() {
    try {
      const { checkpoints = [] } = await rpc("JobsService", "ListCheckpoints", { jobId: this.job.id });
      this.checkpoints = checkpoints;
      this.list.hidden = !checkpoints.length;
      this.rows.replaceChildren(...checkpoints.map((one) => this.row(one)));
      this.draw();
    } catch (error) {
      showError(this.problem, error);
    }
  }

  row(one) {
    return h("tr", {}, h("td", {}, one.step), h("td", {}, one.stage), h("td", {}, (one.reasons ?? []).join(", ")), h("td", {}, number(one.measure)),
      h("td", { class: "muted" }, ago(one.time)), h("td", {}, h("button", { class: "btn small", type: "button", onclick: () => this.openFork(one.step) }, "Fork")));
  }

  async call(method, request, words) {
    this.pause.disabled = this.resume.disabled = true;
    showError(this.problem, null);
    try {
      const { job } = await rpc("JobsService", method, { id: this.job.id, ...request });
      Object.assign(this.job, { state: job.state, message: job.message, resumes: job.resumes, spec: job.spec });
      toast("", words);
      this.pause.disabled = method === "PauseJob";
      this.resume.disabled = false;
    } catch (error) {
      this.pause.disabled = this.resume.disabled = false;
      throw error;
    } finally {
      this.changed();
    }
  }

  async onResume() {
    const limited = LIMITS.some(([unit]) => Number(this.job.spec?.budget?.[unit] ?? 0));
    if (!limited) {
      await this.call("ResumeJob", {}, "The job goes on from its checkpoint.").catch((error) => showError(this.problem, error));
      return;
    }
    for (const [unit] of LIMITS) this.limits[unit].value = Number(this.job.spec.budget[unit] ?? 0);
    this.budget.showModal();
  }

  budgetDialog() {
    this.limits = Object.fromEntries(LIMITS.map(([unit]) => [unit, h("input", { id: `budget-${unit}`, type: "number", min: 0, step: unit === "seconds" ? "any" : 1 })]));
    const problem = h("div");
    const go = async () => {
      const budget = Object.fromEntries(LIMITS.map(([unit]) => [unit, Number(this.limits[unit].value || 0)]));
      try {
        await this.call("ResumeJob", { budget }, "The job goes on from its checkpoint.");
        dialog.close();
      } catch (error) {
        showError(problem, error);
      }
    };
    const dialog = modal("Resume with a budget", "It counts from the job's beginning; 0 is no limit.",
      LIMITS.map(([unit, label, small]) => field(label, this.limits[unit], small)), problem, ["resume-with-budget", "Resume", go]);
    return dialog;
  }

  forkDialog() {
    this.form = {
      step: h("select", { id: "fork-step" }),
      name: h("input", { id: "fork-name", autocomplete: "off" }),
      steps: h("input", { id: "fork-steps", type: "number", min: 1, step: 1 }),
      rate: h("input", { id: "fork-rate", type: "number", min: 0, step: "any" }),
      seed: h("input", { id: "fork-seed", type: "number", min: 0, step: 1 }),
    };
    const problem = h("div", { id: "fork-error" });
    const go = async () => {
      try {
        const { job } = await rpc("JobsService", "ForkJob", { id: this.job.id, step: Number(this.form.step.value), spec: this.forked() });
        dialog.close();
        location.hash = `#/jobs/${job.id}`;
      } catch (error) {
        showError(problem, error);
      }
    };
    const dialog = modal("Fork from a checkpoint", "A new job with these weights, optimizer, curriculum and step. `burnish jobs fork --set` changes everything else.",
      [field("Checkpoint", this.form.step), field("Job name", this.form.name), field("RL steps", this.form.steps, "Of the last stage, those done included"), field("Learning rate", this.form.rate, "Of the last stage"), field("Seed", this.form.seed)],
      problem, ["start-fork", "Start", go]);
    return dialog;
  }

  openFork(step = this.checkpoints[0].step) {
    const { spec } = this.job;
    this.form.step.replaceChildren(...this.checkpoints.map((one) => h("option", { value: one.step, selected: one.step === step }, `step ${one.step}, ${one.stage} (${(one.reasons ?? []).join(", ")})`)));
    const { kind, config } = last(spec);
    this.form.name.value = `${spec.name}-fork`.slice(0, 63);
    this.form.steps.closest(".field").hidden = kind !== "rl";
    this.form.steps.value = config.steps ?? "";
    this.form.rate.value = config.learningRate;
    this.form.seed.value = spec.seed ?? 0;
    this.branch.showModal();
  }

  /** The job's own spec with what the form says, and the rewards that its newest groups carry. */
  forked() {
    const spec = structuredClone(this.job.spec);
    const { kind, config } = last(spec);
    const inForce = (this.job.rewardSets ?? []).find((one) => one.number === this.job.rewardSet);
    if (inForce) spec.rewards = inForce.rewards;
    spec.name = this.form.name.value;
    spec.seed = this.form.seed.value || 0;
    config.learningRate = Number(this.form.rate.value);
    if (kind === "rl") config.steps = Number(this.form.steps.value);
    return spec;
  }

  stop() {
    clearTimeout(this.due);
    this.due = -1;
  }
}

function last(spec) {
  const [[kind, config]] = Object.entries(spec.stages.at(-1));
  return { kind, config };
}

const field = (label, input, small) => h("div", { class: "field" }, h("label", { for: input.id }, label), input, small ? h("small", {}, small) : "");

function modal(title, words, fields, problem, [id, text, onclick]) {
  const dialog = h("dialog", { class: "card dialog", "aria-label": title }, h("div", { class: "body stack" }, h("h2", {}, title), h("p", { class: "muted" }, words), h("div", { class: "fields" }, fields), problem,
    h("div", { class: "actions" }, h("button", { class: "btn primary", id, type: "button", onclick }, text), h("button", { class: "btn", type: "button", onclick: () => dialog.close() }, "Close"))));
  return dialog;
}
