// The same question to two models, side by side.
import { chat, rpc } from "../api.js";
import { differing, h, note, showError } from "../dom.js";
import { promptOf } from "./new-data.js";

const EXAMPLES = 20;

export async function render(root, { query }) {
  const problem = h("div", { id: "chat-error" });
  const { models = [] } = await rpc("ModelsService", "ListModels");
  const wanted = query.get("model");
  const tuned = models.find((model) => model.id === wanted) ?? models.find((model) => model.jobId);
  const base = models.find((model) => model.id === tuned?.baseModel) ?? models.find((model) => !model.jobId);
  const sides = [new Side("left", "Base", models, base?.id), new Side("right", "Tuned", models, (tuned ?? base)?.id)];
  const prompt = h("textarea", { id: "chat-prompt", "aria-label": "Message", placeholder: "Ask both models the same thing…", rows: "2" });
  const temperature = h("input", { id: "chat-temperature", type: "number", min: "0", max: "2", step: "0.1", value: "0" });
  const maxTokens = h("input", { id: "chat-max-tokens", type: "number", min: "1", max: "4096", step: "1", value: "128" });
  const examples = await exampleSelect(tuned?.jobId, (text) => { prompt.value = text; prompt.focus(); });
  const send = h("button", { class: "btn primary", id: "chat-send", type: "submit" }, "Send");
  const clear = h("button", { class: "btn quiet", type: "button", id: "chat-clear", onclick: () => sides.forEach((side) => side.clear()) }, "Clear");
  let abort = new AbortController();

  async function submit(event) {
    event.preventDefault();
    const text = prompt.value.trim();
    if (!text) return;
    showError(problem, null);
    prompt.value = "";
    send.disabled = true;
    abort = new AbortController();
    const request = { temperature: Number(temperature.value), max_tokens: Number(maxTokens.value) };
    await Promise.all(sides.map((side) => side.ask(text, request, abort.signal)));
    send.disabled = false;
    prompt.focus();
  }

  const form = h("form", { class: "card composer", onsubmit: submit }, prompt,
    h("div", { class: "foot" }, h("label", {}, "Temperature", temperature), h("label", {}, "Max tokens", maxTokens), examples, h("span", { class: "grow" }), clear, send));
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (!send.disabled) form.requestSubmit();
    }
  });
  root.append(
    h("div", { class: "head" }, h("div", {}, h("h1", {}, "Chat"), h("p", {}, "Base and tuned model answer the same message. A tuned model is here from its first step on, while its job still runs."))),
    problem, models.length ? "" : note("warn", "No model is being served. Start a serve instance, then reload this page."),
    h("div", { class: "chat" }, h("div", { class: "sides" }, sides.map((side) => side.element)), form));
  return () => abort.abort();
}

/** Prompts that the tuned model's job holds out (or trains on), to ask with. */
async function exampleSelect(jobId, choose) {
  if (!jobId) return "";
  try {
    const { job } = await rpc("JobsService", "GetJob", { id: jobId });
    const { rows = [] } = await rpc("FilesService", "PreviewFile", { id: job.spec.evaluationFile || job.spec.trainingFile, limit: EXAMPLES });
    const prompts = rows.map(promptOf);
    const brief = differing(prompts);
    return h("select", { id: "chat-example", "aria-label": "Use a prompt of the job", onchange: (event) => { choose(prompts[event.target.value]); event.target.value = ""; } },
      h("option", { value: "" }, job.spec.evaluationFile ? "Held-out prompt…" : "Training prompt…"), prompts.map((text, index) => h("option", { value: index }, brief(text).slice(0, 60))));
  } catch {
    return ""; // the file may be gone; the chat works without it
  }
}

class Side {
  constructor(id, name, models, chosen) {
    this.id = id;
    this.messages = [];
    this.select = h("select", { id: `chat-model-${id}` }, models.map((model) => h("option", { value: model.id, selected: model.id === chosen }, model.id)));
    this.log = h("div", { class: "log", id: `chat-log-${id}`, "aria-live": "polite", "aria-label": `${name} answers` });
    this.element = h("section", { class: "card side", "aria-label": name }, h("header", {}, h("label", { for: `chat-model-${id}` }, name), this.select), this.log);
    this.select.addEventListener("change", () => this.clear());
    this.clear();
  }

  clear() {
    this.messages = [];
    this.log.replaceChildren(h("p", { class: "muted" }, "The answer appears here."));
  }

  async ask(text, request, signal) {
    if (!this.messages.length) this.log.replaceChildren();
    this.messages.push({ role: "user", content: text });
    const answer = h("div", { class: "msg assistant pending" });
    const meta = h("div", { class: "msg-meta num" });
    this.log.append(h("div", { class: "msg user" }, text), answer, meta);
    const started = performance.now();
    try {
      for await (const chunk of chat({ ...request, model: this.select.value, messages: this.messages }, signal)) {
        answer.append(chunk.text);
        meta.textContent = `${chunk.model ?? this.select.value} · ${((performance.now() - started) / 1000).toFixed(1)} s`;
        this.log.scrollTop = this.log.scrollHeight;
      }
      this.messages.push({ role: "assistant", content: answer.textContent });
      if (!answer.textContent) answer.append(h("span", { class: "muted" }, "(empty answer)"));
    } catch (error) {
      this.messages.pop();
      answer.replaceWith(note("error", error.name === "AbortError" ? "Stopped." : error.message));
    }
    answer.classList.remove("pending");
  }
}
