// The gateway's API as functions that either return data or throw an ApiError with one sentence.

export class ApiError extends Error {
  constructor(message, { field = "", status = 0 } = {}) {
    super(message);
    this.field = field;
    this.status = status;
  }
}

const UNREACHABLE = "The gateway does not answer. Check that Burnish is running, then try again.";

async function call(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(UNREACHABLE);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

async function failure(response) {
  const body = await response.json().catch(() => ({}));
  const message = body.error?.message ?? body.message ?? `The gateway answered with status ${response.status}.`;
  return new ApiError(message, { field: body.error?.param ?? body.field, status: response.status });
}

/** A unary gRPC method as JSON: rpc("JobsService", "GetJob", { id }). */
export async function rpc(service, method, request = {}, signal = undefined) {
  const response = await call(`burnish.v1.${service}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
    signal,
  });
  return response.json();
}

export async function upload(file) {
  const form = new FormData();
  form.set("purpose", "fine-tune");
  form.set("file", file);
  return (await call("v1/files", { method: "POST", body: form })).json();
}

/** Follow a job's events: handlers by event name; returns a function that stops. */
export function follow(jobId, handlers, onState) {
  const source = new EventSource(`events/${encodeURIComponent(jobId)}`);
  for (const [name, handler] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
  }
  source.addEventListener("end", () => source.close());
  source.onopen = () => onState?.(true);
  source.onerror = () => onState?.(false);
  return () => source.close();
}

/** Stream a chat answer: yields { text, model } as it comes. */
export async function* chat(request, signal) {
  const response = await call("v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...request, stream: true }),
    signal,
  });
  for await (const data of serverSentData(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(chunk.error.message);
    yield { text: chunk.choices?.[0]?.delta?.content ?? "", model: chunk.model };
  }
}

async function* serverSentData(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffered = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffered += value;
    const lines = buffered.split("\n");
    buffered = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data:")) yield line.slice(5).trim();
    }
  }
}
