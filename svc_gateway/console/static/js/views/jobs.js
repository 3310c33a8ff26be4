// All jobs, newest first.
import { rpc } from "../api.js";
import { ago, badge, h, isOver, number, showError, stateOf } from "../dom.js";

const EVERY_MS = 3000;

export async function render(root) {
  const list = h("div", { id: "jobs" });
  const problem = h("div");
  root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", {}, "Jobs"), h("p", {}, "A job turns a base model, your data and your reward functions into an adapter that is served at once.")),
      h("a", { class: "btn primary", href: "#/new", id: "new-job" }, "New job")), problem, list);
  let timer = 0;
  const draw = async () => {
    try {
      const { jobs = [] } = await rpc("JobsService", "ListJobs", { pageSize: 100 });
      showError(problem, null);
      list.replaceChildren(jobs.length ? h("div", { class: "card" }, jobs.map(row)) : empty());
    } catch (error) {
      showError(problem, error);
    }
    timer = setTimeout(draw, EVERY_MS);
  };
  await draw();
  return () => clearTimeout(timer);
}

function row(job) {
  const state = stateOf(job);
  const step = Number(job.step ?? 0);
  const total = Number(job.totalSteps ?? 0);
  const done = state === "succeeded" ? 1 : total ? step / total : 0;
  const reward = job.metrics?.["evaluation/reward"] ?? job.metrics?.["reward/mean"];
  return h("a", { class: "job-row", href: `#/jobs/${job.id}`, "data-job": job.id },
    h("div", {}, h("div", { class: "name" }, job.spec?.name || job.id), h("small", {}, job.spec?.baseModel)),
    h("div", {}, badge(state)),
    h("div", { class: "where" }, h("small", { class: "num" }, where(job, step, total)),
      h("div", { class: `bar${isOver(job) ? " done" : ""}` }, h("i", { style: `width:${(done * 100).toFixed(1)}%` }))),
    h("div", { class: "reward num" }, h("b", {}, number(reward)), h("small", {}, "reward")),
    h("time", { datetime: job.createdAt }, ago(job.createdAt)));
}

function where(job, step, total) {
  if (!total) return job.message || "Waiting for a learner";
  return `Step ${step} of ${total}${job.stage && !isOver(job) ? ` · ${job.stage}` : ""}`;
}

function empty() {
  return h("div", { class: "card empty" }, h("h2", {}, "No jobs yet"),
    "Upload a dozen examples, write a reward function, and press Start.", h("div", {}, h("a", { class: "btn primary", href: "#/new" }, "Start the first job")));
}
