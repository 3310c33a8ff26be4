// What another reward says of a job's stored completions, beside their rewards of then.
import { h, number, plural } from "../dom.js";

const MOVERS = 5;

/** Means, rank correlation and the largest movers, over completions that have both scores. */
export function rescored(name, completions) {
  const pairs = completions.filter((each) => each.completion.reward !== undefined && each.verdict.score !== undefined);
  const old = pairs.map((each) => each.completion.reward);
  const now = pairs.map((each) => each.verdict.score);
  const unscored = completions.find((each) => each.verdict.score === undefined)?.verdict;
  const rho = rankCorrelation(old, now);
  const movers = pairs.toSorted((a, b) => Math.abs(change(b)) - Math.abs(change(a))).slice(0, MOVERS);
  return [
    h("p", { id: "rescored-figures" }, `${plural(completions.length, "completion")}, ${pairs.length} with both scores: reward ${number(mean(old), 3)} then, ${name} ${number(mean(now), 3)} now; rank correlation ${number(rho)}.`),
    unscored ? h("p", { class: "muted" }, `Without a score: ${unscored.status}. ${unscored.message ?? ""}`) : "",
    pairs.length ? h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Then", "Now", "Change", "Completion"].map((title) => h("th", {}, title)))),
      h("tbody", {}, movers.map((each) => h("tr", {},
        [each.completion.reward, each.verdict.score, change(each)].map((value) => h("td", {}, number(value, 3))),
        h("td", {}, h("div", { class: "text" }, each.completion.completion || "(empty)"))))))) : "",
  ];
}

const change = (each) => each.verdict.score - each.completion.reward;
const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);

/** Spearman's rho, ties sharing their mean rank; null where one side is constant. */
function rankCorrelation(first, second) {
  const [a, b] = [ranks(first), ranks(second)];
  const centre = (first.length + 1) / 2;
  const product = (left, right) => left.reduce((sum, value, index) => sum + (value - centre) * (right[index] - centre), 0);
  const spread = product(a, a) * product(b, b);
  return spread ? product(a, b) / Math.sqrt(spread) : null;
}

function ranks(values) {
  const ordered = values.toSorted((a, b) => a - b);
  return values.map((value) => (ordered.indexOf(value) + ordered.lastIndexOf(value)) / 2 + 1);
}
