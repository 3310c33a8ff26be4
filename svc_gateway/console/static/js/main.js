// The shell: routes, theme, and the services panel that every page shows.
import { rpc } from "./api.js";
import { $, h, note } from "./dom.js";
import * as chat from "./views/chat.js";
import * as job from "./views/job.js";
import * as jobs from "./views/jobs.js";
import * as create from "./views/new.js";
import * as services from "./views/services.js";

const ROUTES = { jobs, new: create, job, chat, services };
const SERVICES_EVERY_MS = 2500;

let leave = null;
let shown = 0;

async function route() {
  const [, name = "jobs", id = ""] = location.hash.split("?")[0].split("/");
  const query = new URLSearchParams(location.hash.split("?")[1] ?? "");
  const known = name === "jobs" && id ? "job" : name in ROUTES ? name : "jobs";
  const ticket = ++shown;
  leave?.();
  leave = null;
  for (const link of document.querySelectorAll("[data-nav]")) {
    const current = link.dataset.nav === (known === "job" ? "jobs" : known);
    link.toggleAttribute("aria-current", current);
    if (current) link.setAttribute("aria-current", "page");
  }
  const root = h("div", { class: `view-${known}` });
  $("#view").replaceChildren(root);
  try {
    const cleanup = await ROUTES[known].render(root, { id: decodeURIComponent(id), query });
    if (ticket === shown) leave = cleanup;
    else cleanup?.();
  } catch (error) {
    root.append(note("error", error.message));
  }
}

async function pollServices() {
  try {
    if (!document.hidden) services.drawRail($("#rail-services"), (await rpc("ModelsService", "ListServices")).services ?? []);
  } catch (error) {
    services.drawRail($("#rail-services"), [], error.message);
  }
  setTimeout(pollServices, SERVICES_EVERY_MS);
}

$("#theme").addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
});
addEventListener("hashchange", async () => {
  await route();
  $("#view").focus({ preventScroll: true });
  scrollTo(0, 0);
});
route();
pollServices();
