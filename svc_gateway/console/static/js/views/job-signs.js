// What watches a job: alarms that stand, the curriculum's level, and the adapter that did best.
import { h, note, plural } from "../dom.js";

const KINDS = {
  dominance: "One part of the reward grows at another's expense",
  collapse: "Little is left to learn from",
  length_drift: "Completions change their length",
  gap: "Held-out rows fall behind",
};

export class Signs {
  constructor() {
    this.alarms = new Map();
    this.level = null;
    this.best = null;
    this.element = h("div", { class: "signs", id: "job-signs" });
    this.draw();
  }

  onAlarm(alarm) {
    this.alarms.set(alarm.kind, alarm);
    this.draw();
  }

  onLevel(level) {
    this.level = level;
    this.draw();
  }

  /** An alarm stands until a step says that its sign is gone. */
  onStep(step) {
    for (const kind of this.alarms.keys()) {
      if (step.metrics?.[`alarms/${kind}`] === 0) this.alarms.delete(kind);
    }
    this.draw();
  }

  onEvaluation(evaluation) {
    if (evaluation.best) this.best = evaluation;
    this.draw();
  }

  draw() {
    this.element.replaceChildren(...[...this.alarms.values()].map(alarmNote), ...this.facts());
  }

  facts() {
    const facts = [];
    if (this.level) facts.push(h("span", { id: "job-level", title: this.level.message }, "Level ", h("b", {}, this.level.level), ` (${this.level.number} of ${this.level.levels}) since step ${this.level.step}`));
    if (this.best) facts.push(h("span", { id: "job-best" }, "Best on held-out rows: ", h("a", { href: `#/chat?model=${encodeURIComponent(this.best.adapter)}` }, `v${this.best.policyVersion}`), passRates(this.best)));
    return facts.length ? [h("p", { class: "muted" }, facts.map((fact, place) => [place ? " · " : "", fact]))] : [];
  }
}

function alarmNote(alarm) {
  const element = note("warn", h("div", {}, h("b", {}, `${KINDS[alarm.kind] ?? alarm.kind}. `), `Step ${alarm.step}: ${alarm.message}.${alarm.paused ? " The job pauses." : ""}`));
  element.dataset.alarm = alarm.kind;
  return element;
}

function passRates(evaluation) {
  const rates = Object.entries(evaluation.passAt ?? {}).map(([k, rate]) => `pass@${k} ${(100 * rate).toFixed(0)} %`);
  return rates.length ? ` (${rates.join(", ")} over ${plural(evaluation.samples ?? 1, "sample")})` : "";
}
