// The held-out table: what the base model wrote, what the tuned model writes, and what both score.
import { differing, h, number, score, statusName } from "../dom.js";

/** What a job began with: the bare base model, or the adapter that it was started from. */
export const isStart = (evaluation) => ["base", "start"].includes(evaluation.label);
export const startName = (evaluation) => (evaluation.label === "start" ? "what it began with" : "base model");

/** At most `limit` rows, and how many more there are. Rows are matched by their id; the newest evaluation that is not the base stands for "tuned". */
export function table(evaluations, limit) {
  const base = evaluations.find(isStart);
  const tuned = evaluations.findLast((one) => !isStart(one));
  const answers = (evaluation) => Map.groupBy(evaluation?.completions ?? [], (one) => one.rowId ?? "");
  const [before, after] = [answers(base), answers(tuned)];
  const ids = [...new Set([...before.keys(), ...after.keys()])];
  const brief = differing([...before.values(), ...after.values()].map(([one]) => one.prompt));
  const heading = (name, evaluation) => (evaluation ? `${name} · mean ${number(evaluation.rewardMean ?? 0)}` : name);
  const element = h("div", { class: "scroll" }, h("table", { class: "compare stacked" },
    h("thead", {}, h("tr", {}, h("th", {}, "Prompt"), h("th", {}, heading(base?.label === "start" ? "Start" : "Base", base)), h("th", {}, heading(tuned ? `Tuned (${tuned.label})` : "Tuned", tuned)))),
    h("tbody", {}, ids.slice(0, limit).map((id) => row(before.get(id)?.[0], after.get(id)?.[0], brief)))));
  return { element, hidden: Math.max(ids.length - limit, 0) };
}

function row(before, after, brief) {
  const prompt = before?.prompt ?? after?.prompt ?? "";
  return h("tr", {},
    h("td", { "data-label": "Prompt" }, h("div", { class: "text muted", title: prompt }, brief(prompt))),
    h("td", { "data-label": "Base" }, answer(before)), h("td", { "data-label": "Tuned" }, answer(after)));
}

function answer(one) {
  if (!one) return h("span", { class: "muted" }, "–");
  const failed = (one.scores ?? []).find((part) => part.value === undefined);
  return [h("div", { class: "cell-head" }, score("reward", one.reward, one.reward === undefined ? "left out" : "ok"), failed ? score(failed.name, undefined, statusName(failed.status), failed.message) : ""),
    h("div", { class: "text" }, one.completion || "(empty)")];
}

