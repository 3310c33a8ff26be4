// Model and stages: what is trained, for how long, how hard.
import { h } from "../dom.js";
import { merge, notable, stagesOf } from "./new-kept.js";

// [key, label, default, what it means, attributes]. Defaults suit a small model and a quick first job.
const FIELDS = {
  sft: [
    ["epochs", "Epochs", 5, "Passes over the labelled rows", { min: 1, step: 1 }],
    ["batch_size", "Batch size", 4, "Rows per optimizer step", { min: 1, step: 1 }],
    ["learning_rate", "Learning rate", 0.0005, "", { min: 0, step: "any" }],
  ],
  rl: [
    ["steps", "Steps", 20, "Optimizer steps", { min: 1, step: 1 }],
    ["prompts_per_step", "Prompts per step", 4, "Rows in each step", { min: 1, step: 1 }],
    ["group_size", "Completions per prompt", 8, "Compared with one another", { min: 2, step: 1 }],
    ["learning_rate", "Learning rate", 0.0004, "", { min: 0, step: "any" }],
    ["sampling.max_tokens", "Max tokens", 64, "A completion is cut there", { min: 1, step: 1 }],
    ["sampling.temperature", "Temperature", 1, "Of training samples", { min: 0.1, max: 2, step: 0.1 }],
  ],
  rlMore: [
    ["max_staleness", "Max staleness", 1, "Steps that a sample may be old", { min: 0, step: 1 }],
    ["sft_replay", "SFT replay", 0.1, "Weight of labelled rows in each step; 0 is off", { min: 0, step: 0.05 }],
    ["kl_weight", "KL weight", 0, "Pull towards the base model; 0 is off", { min: 0, step: "any" }],
  ],
  lora: [
    ["rank", "LoRA rank", 16, "Size of the adapter", { min: 1, step: 1 }],
    ["alpha", "LoRA alpha", 32, "Its scale is alpha / rank", { min: 1, step: 1 }],
  ],
  evaluation: [
    ["every_steps", "Evaluate every", 0, "RL steps; 0 is base, after SFT and at the end", { min: 0, step: 1 }],
    ["samples", "Samples per row", 1, "Answers per held-out row", { min: 1, step: 1 }],
    ["sampling.max_tokens", "Max tokens", 64, "A held-out answer is cut there", { min: 1, step: 1 }],
    ["sampling.temperature", "Temperature", 0, "0 is greedy; more with several samples", { min: 0, max: 2, step: 0.1 }],
  ],
};
const CHOICES = {
  loss: [["cispo", "CISPO"], ["dapo", "DAPO"], ["dr_grpo", "Dr. GRPO"], ["grpo", "GRPO"], ["gspo", "GSPO"]],
  advantage: [["centered", "Reward − group mean"], ["standardized", "… over group deviation"]],
  on_reward_error: [["zero", "It scores 0"], ["drop", "It leaves its group"], ["fail", "The job fails"]],
};

export class StagesSection {
  constructor(changed) {
    this.inputs = {};
    this.name = h("input", { id: "job-name-input", "data-field": "name", value: "my-first-job", autocomplete: "off" });
    this.model = h("select", { id: "base-model", "data-field": "base_model" });
    this.seed = h("input", { id: "seed", "data-field": "seed", type: "number", min: "0", step: "1", value: "0" });
    this.choices = Object.fromEntries(Object.entries(CHOICES).map(([key, options]) => [key, h("select", { id: key.replaceAll("_", "-"), "data-field": key }, options.map(([value, text]) => h("option", { value }, text)))]));
    this.success = h("select", { id: "require-success" });
    this.on = Object.fromEntries(["sft", "rl"].map((kind) => [kind, h("input", { type: "checkbox", id: `stage-${kind}`, checked: true, onchange: () => this.showStages() })]));
    const labelled = (text, input, small) => h("div", { class: "field" }, h("label", { for: input.id }, text), input, small ? h("small", {}, small) : "");
    const group = (kind, prefix = kind) => FIELDS[kind].map((field) => this.field(prefix, field));
    this.stages = {
      sft: h("fieldset", { class: "stage" }, h("div", { class: "stage-head" }, h("label", { class: "check" }, this.on.sft, "Warm-up on labelled rows (SFT)")), h("div", { class: "fields" }, group("sft"))),
      rl: h("fieldset", { class: "stage" }, h("div", { class: "stage-head" }, h("label", { class: "check" }, this.on.rl, "Reinforcement learning (RL)")), h("div", { class: "fields" }, group("rl")),
        h("details", {}, h("summary", {}, "More RL settings"), h("div", { class: "fields" }, labelled("Loss", this.choices.loss), labelled("Advantage", this.choices.advantage), group("rlMore", "rl"),
          labelled("Require success on", this.success, "Skip groups in which nothing scores above 0"), labelled("If a reward raises", this.choices.on_reward_error)))),
    };
    this.also = h("p", { class: "muted", id: "kept-settings", hidden: true });
    this.element = h("section", { class: "card", "aria-label": "Model and stages" }, h("header", {}, h("h2", { class: "step-title" }, h("i", {}, "3"), "Model and stages")),
      h("div", { class: "body stack" }, h("div", { class: "two" }, labelled("Job name", this.name), labelled("Base model", this.model)), this.stages.sft, this.stages.rl,
        this.also, h("details", {}, h("summary", {}, "Adapter, evaluation and seed"), h("div", { class: "fields" }, group("lora"), group("evaluation"), labelled("Seed", this.seed)))));
    this.changed = changed;
    this.kept = {};
  }

  field(prefix, [key, label, initial, meaning, attributes]) {
    const input = h("input", { id: `${prefix}-${key.replaceAll(/[._]/g, "-")}`, type: "number", value: initial, "data-key": key, ...attributes });
    (this.inputs[prefix] ??= []).push(input);
    return h("div", { class: "field" }, h("label", { for: input.id }, label), input, meaning ? h("small", {}, meaning) : "");
  }

  showStages() {
    for (const [kind, stage] of Object.entries(this.stages)) stage.classList.toggle("off", !this.on[kind].checked);
    const kinds = Object.keys(this.on).filter((kind) => this.on[kind].checked);
    for (const prefix of ["sft", "rl"]) this.inputs[prefix].forEach((input) => { input.dataset.field = `stages[${kinds.indexOf(prefix)}].${prefix}.${input.dataset.key}`; });
    for (const prefix of ["lora", "evaluation"]) this.inputs[prefix].forEach((input) => { input.dataset.field = `${prefix}.${input.dataset.key}`; });
  }

  setModels(names) {
    this.model.replaceChildren(...(names.length ? names : [""]).map((name) => h("option", { value: name }, name || "No base model is being served")));
    this.showStages();
  }

  setRewards(names) {
    const chosen = this.success.value || this.wantedSuccess;
    this.success.replaceChildren(h("option", { value: "" }, "Nothing"), ...names.map((name) => h("option", { value: name, selected: name === chosen }, name)));
  }

  fill(spec) {
    const { training_file, evaluation_file, rewards, ...kept } = spec;
    this.kept = kept;
    const also = notable(kept);
    this.also.hidden = !also.length;
    this.also.textContent = `Also set, and kept as it is: ${also.join(", ")}.`;
    this.name.value = spec.name ?? this.name.value;
    if ([...this.model.options].some((option) => option.value === spec.base_model)) this.model.value = spec.base_model;
    this.seed.value = spec.seed ?? 0;
    this.choices.on_reward_error.value = spec.on_reward_error ?? "zero";
    for (const kind of ["sft", "rl"]) {
      const stage = (spec.stages ?? []).find((one) => one[kind])?.[kind];
      this.on[kind].checked = Boolean(stage);
      if (stage) write(this.inputs[kind], stage);
      if (kind === "rl" && stage) {
        this.choices.loss.value = stage.loss ?? "cispo";
        this.choices.advantage.value = stage.advantage ?? "centered";
        this.wantedSuccess = stage.require_success ?? "";
      }
    }
    write(this.inputs.lora, spec.lora ?? {});
    write(this.inputs.evaluation, spec.evaluation ?? {});
    this.showStages();
  }

  value() {
    const rl = { ...read(this.inputs.rl), loss: this.choices.loss.value, advantage: this.choices.advantage.value };
    rl.require_success = this.success.value;
    return merge(this.kept, {
      name: this.name.value.trim(),
      base_model: this.model.value,
      stages: stagesOf(this.kept, { sft: this.on.sft.checked && read(this.inputs.sft), rl: this.on.rl.checked && rl }),
      lora: read(this.inputs.lora),
      evaluation: read(this.inputs.evaluation),
      on_reward_error: this.choices.on_reward_error.value,
      seed: Number(this.seed.value),
    });
  }
}

/** {"steps": 20, "sampling": {"max_tokens": 64}} from inputs whose keys are paths. */
function read(inputs) {
  const values = {};
  for (const input of inputs) {
    const path = input.dataset.key.split(".");
    const place = path.length === 2 ? (values[path[0]] ??= {}) : values;
    place[path.at(-1)] = Number(input.value);
  }
  return values;
}

function write(inputs, values) {
  for (const input of inputs) {
    const found = input.dataset.key.split(".").reduce((place, key) => place?.[key], values);
    if (found !== undefined) input.value = found;
  }
}
