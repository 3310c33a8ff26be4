// The job form: data, reward functions with try-it, model and stages, Start.
import { rpc } from "../api.js";
import { h, plural, showError, toast } from "../dom.js";
import { DataSection } from "./new-data.js";
import { plain, wire } from "./new-kept.js";
import { RewardsSection } from "./new-rewards.js";
import { StagesSection } from "./new-stages.js";

const DRAFT = "burnish.draft";

export async function render(root, { query }) {
  const form = new Form(root);
  await form.load(query.get("from"));
  return () => form.stop();
}

class Form {
  constructor(root) {
    this.problem = h("div", { id: "form-error" });
    this.facts = h("dl", { class: "facts" });
    this.start = h("button", { class: "btn primary large", id: "start-job", type: "submit" }, "Start");
    const changed = () => this.changed();
    this.data = new DataSection(changed);
    this.rewards = new RewardsSection(changed, () => this.data.training());
    this.stages = new StagesSection(changed, () => this.rewards.names());
    const summary = h("aside", { class: "card summary", "aria-label": "Summary" }, h("h2", {}, "This job"), this.facts, this.start, this.problem);
    root.append(
      h("div", { class: "head" }, h("div", {}, h("h1", {}, "New job"), h("p", {}, "Prompts, a way to judge answers, and a base model. Labelled rows teach the form first; rewards then teach what is right.")),
        h("button", { class: "btn quiet", type: "button", id: "paste-yaml", onclick: () => this.yaml.showModal() }, "Paste YAML")),
      h("form", { class: "new", novalidate: true, onsubmit: (event) => this.submit(event), oninput: changed, onchange: changed },
        h("div", {}, this.data.element, this.rewards.element, this.stages.element), summary),
      this.yaml = this.yamlDialog());
  }

  async load(from) {
    const [{ models = [] }] = await Promise.all([rpc("ModelsService", "ListModels"), this.data.refresh(), this.rewards.refresh()]);
    this.stages.setModels(models.filter((model) => !model.jobId).map((model) => model.id));
    const draft = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null");
    if (from) this.fill(await specOf(from));
    else if (draft) this.fill(draft);
    this.loaded = true;
    this.changed();
  }

  /** Show a spec: the same shape as the YAML, with reward sources inside. */
  fill(spec) {
    this.data.fill(spec);
    this.rewards.fill(spec.rewards ?? []);
    this.stages.fill(spec);
    this.changed();
  }

  value() {
    return { ...this.data.value(), ...this.stages.value(), rewards: this.rewards.value() };
  }

  changed() {
    if (!this.loaded) return;
    this.stages.setRewards(this.rewards.names());
    const spec = this.value();
    sessionStorage.setItem(DRAFT, JSON.stringify(spec));
    const rl = spec.stages.find((stage) => stage.rl)?.rl;
    const sft = spec.stages.find((stage) => stage.sft)?.sft;
    const file = this.data.training();
    const facts = [
      ["Data", file ? `${plural(file.rows ?? 0, "row")}, ${file.labelledRows ?? 0} labelled` : "choose a file"],
      ["Held-out", this.data.evaluation() ? plural(this.data.evaluation().rows ?? 0, "row") : "none"],
      ["Rewards", this.rewards.names().join(", ") || "none"],
      ["Warm-up", sft ? `${plural(sft.epochs, "epoch")} of SFT` : "off"],
      ["RL", rl ? `${plural(rl.steps, "step")} × ${rl.prompts_per_step} prompts × ${rl.group_size}` : "off"],
      ["Samples", rl ? plural(rl.steps * rl.prompts_per_step * rl.group_size, "completion") : "none"],
    ];
    this.facts.replaceChildren(...facts.flatMap(([key, value]) => [h("dt", {}, key), h("dd", { class: "num" }, value)]));
  }

  async submit(event) {
    event.preventDefault();
    showError(this.problem, null);
    for (const bad of document.querySelectorAll("[aria-invalid]")) bad.removeAttribute("aria-invalid");
    this.start.disabled = true;
    this.requestId ??= crypto.randomUUID?.() ?? String(Math.random());
    try {
      const rewards = await this.rewards.save();
      const { job } = await rpc("JobsService", "CreateJob", { requestId: this.requestId, spec: wire({ ...this.value(), rewards }) });
      sessionStorage.removeItem(DRAFT);
      toast("good", "The job is queued.");
      for (const { name, line, message } of this.rewards.warnings()) toast("warn", `Reward ${name}${line ? `, line ${line}` : ""}: ${message}`);
      location.hash = `#/jobs/${job.id}`;
    } catch (error) {
      this.requestId = undefined;
      showError(this.problem, error);
      if (error.field) this.point(error.field);
    }
    this.start.disabled = false;
  }

  point(field) {
    const input = [...document.querySelectorAll("[data-field]")].find((one) => field.startsWith(one.dataset.field));
    input?.setAttribute("aria-invalid", "true");
    input?.closest("details")?.setAttribute("open", "");
    input?.focus();
  }

  yamlDialog() {
    const area = h("textarea", { id: "yaml-text", rows: "16", spellcheck: "false", class: "mono", "aria-label": "Job as YAML" });
    const problem = h("div");
    const apply = async () => {
      try {
        const response = await fetch("console/spec", { method: "POST", body: area.value });
        const body = await response.json();
        if (!response.ok) throw new Error(body.error.message);
        this.fill(body);
        dialog.close();
      } catch (error) {
        showError(problem, error);
      }
    };
    const dialog = h("dialog", { class: "card dialog", "aria-label": "Paste YAML" }, h("div", { class: "body stack" }, h("h2", {}, "Paste a job as YAML"), area, problem,
      h("div", { class: "actions" }, h("button", { class: "btn primary", type: "button", id: "yaml-apply", onclick: apply }, "Fill the form"), h("button", { class: "btn", type: "button", onclick: () => dialog.close() }, "Close"))));
    return dialog;
  }

  stop() {
    this.loaded = false;
  }
}

/** The spec of a job that exists, as the form wants it. */
async function specOf(id) {
  const { job } = await rpc("JobsService", "GetJob", { id });
  const spec = plain(job.spec);
  const sources = await Promise.all(spec.rewards.map(({ name, revision }) => rpc("RewardsService", "GetReward", { name, revision })));
  spec.rewards = spec.rewards.map((one, index) => ({ ...one, definition: sources[index].reward.definition }));
  return spec;
}
