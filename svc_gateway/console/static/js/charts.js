// Live line charts: uPlot with the console's colours, a legend above, and a size that follows its card.
import { h, number } from "./dom.js";

const PALETTE = {
  light: ["#a94f1c", "#2f6392", "#2b7a4b", "#8b3fa8", "#b58900", "#5b6470"],
  dark: ["#e39560", "#84b6e2", "#74c795", "#d19ae8", "#dfb455", "#a7b0bd"],
};
const theme = () => document.documentElement.dataset.theme;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * A chart card. `update(xs, series)` redraws it; a series is { label, values, points, dash },
 * and its place in the first list that had it decides its colour.
 */
export function chart({ id, title, wide = false, digits = 2, waiting = "Waiting for the first step" }) {
  const legend = h("div", { class: "legend" });
  const plot = h("div", { class: "plot", id }, h("div", { class: "waiting" }, waiting));
  const element = h("section", { class: `card chart${wide ? " wide" : ""}`, "aria-label": title },
    h("header", {}, h("h2", {}, title), legend), h("div", { class: "body" }, plot));
  let drawn = null;
  let shape = "";
  let last = null;
  const seen = new Map();

  function showLegend(xs, series, index) {
    const at = index ?? xs.length - 1;
    legend.replaceChildren(...series.map((one) => {
      const value = index === null || index === undefined ? one.values.findLast((item) => item !== null) : one.values[at];
      return h("span", {}, h("i", { style: `background:${colour(one.place)}` }), one.label, h("b", {}, number(value, digits)));
    }));
  }

  function build(xs, series) {
    drawn?.destroy();
    plot.replaceChildren();
    drawn = new uPlot(options(plot, series, digits, (index) => last && showLegend(last.xs, last.series, index)), data(xs, series), plot);
  }

  function update(xs, series) {
    series.forEach((one, place) => seen.has(one.label) || seen.set(one.label, place));
    const shown = series.filter((one) => one.values.some((value) => value !== null)).map((one) => ({ ...one, place: seen.get(one.label) }));
    if (!xs.length || !shown.length) return;
    last = { xs, series: shown };
    const next = `${theme()}|${shown.map((one) => one.label).join("|")}`;
    if (next === shape) drawn.setData(data(xs, shown));
    else build(xs, shown);
    shape = next;
    showLegend(xs, shown);
    plot.dataset.points = String(xs.length);
  }

  const resize = new ResizeObserver(() => drawn?.setSize({ width: plot.clientWidth, height: plot.clientHeight }));
  resize.observe(plot);
  const repaint = new MutationObserver(() => last && update(last.xs, last.series));
  repaint.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return { element, update, destroy: () => { resize.disconnect(); repaint.disconnect(); drawn?.destroy(); } };
}

const colour = (place) => PALETTE[theme()][place % PALETTE.light.length];
const data = (xs, series) => [xs, ...series.map((one) => one.values)];

function options(plot, series, digits, onIndex) {
  const axis = { stroke: css("--muted"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px Inter, sans-serif" };
  return {
    width: plot.clientWidth,
    height: plot.clientHeight,
    padding: [12, 14, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    hooks: { setCursor: [(self) => onIndex(self.cursor.idx)] },
    scales: { x: { time: false, range: wholeSteps }, y: { range: roomy } },
    axes: [
      { ...axis, grid: { show: false }, size: 28, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000], values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? tick : "")) },
      { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => compact(tick, digits)) },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label,
      stroke: colour(one.place),
      width: one.place === 0 ? 2.25 : 1.5,
      dash: one.dash,
      spanGaps: true,
      paths: uPlot.paths.linear(),
      points: { show: (self) => one.points || self.data[0].length < 24, size: one.points ? 8 : 5, fill: colour(one.place), stroke: colour(one.place) },
    }))],
  };
}

/** The steps that there are; uPlot's own range of one step would be a hundred wide. */
function wholeSteps(self) {
  const [low, high] = [self.data[0][0], self.data[0].at(-1)];
  return low === high ? [Math.max(0, low - 1), high + 1] : [low, high];
}

function roomy(_, low, high) {
  if (low === null) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.12;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}

function compact(value, digits) {
  if (Math.abs(value) >= 1000) return `${+(value / 1000).toFixed(1)}k`;
  return String(+value.toFixed(Math.max(digits, 2)));
}
