// Settings of a job that the form has no field for: they stay as they came from YAML or another job.

/** `changes` over `base`, mapping by mapping. */
export function merge(base, changes) {
  const found = { ...base };
  for (const [key, value] of Object.entries(changes)) found[key] = isMapping(value) && isMapping(found[key]) ? merge(found[key], value) : value;
  return found;
}

/**
 * The stages of `kept` in their order, the first one of each kind as the form has it.
 * A kind that is null in `shown` is switched off; one that `kept` lacks is added, warm-up first.
 */
export function stagesOf(kept, shown) {
  const seen = new Set();
  const stages = (kept.stages ?? []).flatMap((stage) => {
    const kind = stage.sft ? "sft" : "rl";
    if (seen.has(kind)) return [stage];
    seen.add(kind);
    return shown[kind] ? [{ [kind]: merge(withoutClip(stage[kind], shown[kind]), shown[kind]) }] : [];
  });
  if (shown.sft && !seen.has("sft")) stages.unshift({ sft: shown.sft });
  if (shown.rl && !seen.has("rl")) stages.push({ rl: shown.rl });
  return stages;
}

/** Another loss has other bounds: its own defaults. */
function withoutClip({ clip_low, clip_high, ...stage }, { loss }) {
  return stage.loss === loss && loss ? { clip_low, clip_high, ...stage } : stage;
}

/** What people should know to be set although they do not see it. */
export function notable(kept) {
  const rl = kept.stages?.find((stage) => stage.rl)?.rl;
  const { budget = {}, early_stopping: early = {}, alarms = {} } = kept;
  return [
    rl?.curriculum && "a curriculum",
    (early.patience || early.target !== undefined) && "early stopping",
    alarms.action === "pause" && "alarms that pause",
    Object.values(budget).some(Number) && "a budget",
    kept.deterministic && "deterministic",
    kept.start && "a starting point",
    (kept.stages?.length ?? 0) > new Set(kept.stages?.map((stage) => Object.keys(stage)[0])).size && "more stages",
  ].filter(Boolean);
}

const PREFIXES = {
  loss: "LOSS_", advantage: "ADVANTAGE_", anchor: "ANCHOR_", importance: "IMPORTANCE_", overlong: "OVERLONG_", schedule: "SCHEDULE_",
  on_reward_error: "ON_REWARD_ERROR_", action: "ALARM_ACTION_",
};

/** A spec as the API's JSON: enums by their full names. */
export function wire(value, key = "") {
  if (Array.isArray(value)) return value.map((item) => wire(item));
  if (isMapping(value)) return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, wire(item, name)]));
  return typeof value === "string" && PREFIXES[key] ? PREFIXES[key] + value.toUpperCase() : value;
}

/** The API's JSON as people write a spec: snake case, short names of enums. */
export function plain(value, key = "") {
  if (Array.isArray(value)) return value.map((item) => plain(item));
  if (isMapping(value)) return Object.fromEntries(Object.entries(value).map(([name, item]) => [snake(name), plain(item, snake(name))]));
  return typeof value === "string" && PREFIXES[key] && value.startsWith(PREFIXES[key]) ? value.slice(PREFIXES[key].length).toLowerCase() : value;
}

const snake = (name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const isMapping = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
