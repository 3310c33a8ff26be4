// Elements, formats and messages that every view uses.

/** Make an element: h("p", { class: "muted", onclick }, "text", child). */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "selected") element[key] = value;
    else if (key === "style") element.style.cssText = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const $ = (selector, root = document) => root.querySelector(selector);

export function note(kind, message) {
  return h("div", { class: `note ${kind}`, role: kind === "error" ? "alert" : "status" }, message);
}

/** Show `error` as a sentence inside `place`; an empty place shows nothing. */
export function showError(place, error) {
  place.replaceChildren(...(error ? [note("error", error.message ?? String(error))] : []));
  if (error) place.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

export function toast(kind, message) {
  const element = note(kind, message);
  $("#toasts").append(element);
  setTimeout(() => element.remove(), 6000);
}

const ABSENT = "–";

export function number(value, digits = 2) {
  if (value === undefined || value === null || Number.isNaN(value)) return ABSENT;
  const size = Math.abs(value);
  if (size !== 0 && size < 10 ** -digits) return value.toExponential(1);
  if (size >= 10_000) return Math.round(value).toLocaleString("en");
  return value.toFixed(size >= 100 ? Math.min(digits, 1) : digits).replace("-", "−");
}

export function ago(timestamp) {
  if (!timestamp) return "";
  const seconds = (Date.now() - Date.parse(timestamp)) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  return new Date(timestamp).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

export function plural(count, noun) {
  return `${Number(count).toLocaleString("en")} ${noun}${Number(count) === 1 ? "" : "s"}`;
}

export const STATES = {
  JOB_STATE_QUEUED: "queued",
  JOB_STATE_RUNNING: "running",
  JOB_STATE_SUCCEEDED: "succeeded",
  JOB_STATE_FAILED: "failed",
  JOB_STATE_CANCELLED: "cancelled",
  JOB_STATE_PAUSED: "paused",
};
export const stateOf = (job) => STATES[job.state] ?? "queued";
export const isOver = (job) => ["succeeded", "failed", "cancelled"].includes(stateOf(job));

/**
 * Prompts often share their instructions. A function that shows only the lines in which one of
 * `texts` differs from the others; the whole text where nothing is shared.
 */
export function differing(texts) {
  const all = [...new Set(texts)].map((text) => text.split("\n"));
  if (all.length < 2) return (text) => text.trim();
  const shortest = Math.min(...all.map((lines) => lines.length));
  const shared = (pick) => {
    let count = 0;
    while (count < shortest && all.every((lines) => pick(lines, count) === pick(all[0], count))) count += 1;
    return count;
  };
  const head = shared((lines, index) => lines[index]);
  const tail = Math.min(shared((lines, index) => lines.at(-1 - index)), shortest - head);
  return (text) => {
    const lines = text.split("\n");
    return lines.slice(head, lines.length - tail).join("\n").trim() || text.trim();
  };
}

export function badge(state, id) {
  return h("span", { class: `badge ${state}`, id }, state[0].toUpperCase() + state.slice(1));
}

/** A score chip: green from 0.99 of full marks, red at 0, plain between. */
export function score(name, value, status = "ok", title = undefined) {
  const passed = status === "ok" && value !== undefined && value !== null;
  const kind = !passed ? "warn" : value >= 0.99 ? "good" : value <= 0 ? "bad" : "";
  return h("span", { class: `score ${kind}`, title }, name, h("b", {}, passed ? number(value) : status));
}

export const statusName = (status) => (status ?? "SCORE_STATUS_OK").replace("SCORE_STATUS_", "").toLowerCase().replaceAll("_", " ");
