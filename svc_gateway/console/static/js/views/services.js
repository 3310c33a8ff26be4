// What each service instance is doing now.
import { rpc } from "../api.js";
import { h, number, showError } from "../dom.js";

export const ORDER = ["gateway", "learner", "rollout", "reward", "serve"];
const byOrder = (a, b) => ORDER.indexOf(a.service) - ORDER.indexOf(b.service) || a.instance.localeCompare(b.instance);
const EVERY_MS = 2000;

/** The compact list in the rail: every service, also the ones that are not there. */
export function drawRail(place, instances, problem = "") {
  const missing = ORDER.filter((name) => !instances.some((one) => one.service === name)).map((service) => ({ service, instance: "", gone: true }));
  place.replaceChildren(
    h("h3", {}, problem ? "Gateway not reachable" : "Services"),
    ...[...instances, ...missing].sort(byOrder).map((one) =>
      h("div", { class: "svc", "data-service": one.service },
        h("i", { class: `dot${one.gone ? " gone" : ""}` }), h("b", {}, one.service),
        h("span", {}, one.gone ? "not running" : one.activity || "idle"))),
  );
}

export async function render(root) {
  const list = h("div", { class: "svc-grid", id: "services" });
  const problem = h("div");
  root.append(h("div", { class: "head" }, h("div", {}, h("h1", {}, "Services"),
    h("p", {}, "Every instance reports what it is doing. Instances that stop reporting leave this page within seconds."))), problem, list);
  let timer = 0;
  const draw = async () => {
    try {
      const { services = [] } = await rpc("ModelsService", "ListServices");
      showError(problem, null);
      list.replaceChildren(...services.sort(byOrder).map(card));
      if (!services.length) list.replaceChildren(h("div", { class: "card empty" }, "No service reports yet."));
    } catch (error) {
      showError(problem, error);
    }
    timer = setTimeout(draw, EVERY_MS);
  };
  await draw();
  return () => clearTimeout(timer);
}

function card(one) {
  const facts = [
    ["Instance", one.instance],
    ["Version", one.version],
    ["Base models", (one.baseModels ?? []).join(", ")],
    ...Object.entries(one.details ?? {}).map(([key, value]) => [words(key), value]),
    ...Object.entries(one.metrics ?? {}).map(([key, value]) => [words(key), number(value)]),
  ].filter(([, value]) => value);
  return h("article", { class: "card svc-card", "data-service": one.service },
    h("h2", {}, h("i", { class: "dot" }), one.service), h("p", { class: "activity" }, one.activity || "Idle"),
    h("dl", {}, facts.map(([key, value]) => [h("dt", {}, key), h("dd", { class: "num" }, value)])));
}

const words = (key) => {
  const text = key.replaceAll(/[_/]/g, " ");
  return text[0].toUpperCase() + text.slice(1);
};
