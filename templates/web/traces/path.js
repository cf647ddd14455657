// The critical path: what the end of the trace had to wait for, without gaps.

import { h } from "traces/dom.js";
import { duration, percent } from "traces/format.js";
import { colour } from "traces/palette.js";
import { cell, chip, heads, number, opening, track } from "traces/pieces.js";

const MOST = 400, MOST_GUILTY = 12;

export function path(tree, choose) {
  const steps = tree.steps;
  const whole = steps.reduce((sum, step) => sum + step.took, 0) || 1;
  const sums = new Map();
  for (const step of steps) {
    const operation = tree.operation(step.at);
    const key = step.waiting ? `waiting ${operation.service}` : `${tree.op[step.at]}`;
    const sum = sums.get(key) ?? { operation, waiting: step.waiting, took: 0, times: 0, at: step.at };
    sum.took += step.took;
    sum.times += 1;
    sums.set(key, sum);
  }
  const guilty = [...sums.values()].sort((one, two) => two.took - one.took);
  const name = (operation, waiting) => (waiting ? `waiting in the queue for ${operation.service}` : operation.name);
  const shown = steps.filter((step) => step.took / whole > 0.0005).slice(0, MOST);

  const drawn = shown.reduce((sum, step) => sum + step.took, 0) || 1;
  const part = (step) => h("i", {
    class: step.waiting ? "waiting" : "", title: `${name(tree.operation(step.at), step.waiting)}: ${duration(step.took)}`,
    style: { width: `${(step.took / drawn) * 100}%`, background: step.waiting ? "" : colour(tree.operation(step.at).service) },
  });
  const strip = h("div", { class: "strip", role: "img", "aria-label": `critical path of ${duration(whole)}` }, shown.map(part));

  const table = (title, head, rows) => h("section", {}, h("h2", {}, title), h("table", {}, heads(head), h("tbody", {}, rows)));
  const row = (at, ...cells) => h("tr", opening(() => choose(at)), cells);
  const who = (sum) => row(sum.at, number(h("b", {}, duration(sum.took))), number(percent(sum.took / whole)), track(sum.took / guilty[0].took),
    cell("", chip(sum.operation.service)), cell("name", name(sum.operation, sum.waiting)), number(String(sum.times), "small"));
  const when = (step) => row(step.at, number(duration(step.from)), number(h("b", {}, duration(step.took))), track(step.took / whole),
    cell("", chip(tree.operation(step.at).service)), cell("name", name(tree.operation(step.at), step.waiting)));

  return { element: h("div", { class: "path" },
    h("p", { class: "trail" }, `${duration(whole)} from the first span to the last end; shortening anything else makes nothing faster`),
    strip, table("Who", WHO, guilty.slice(0, MOST_GUILTY).map(who)), table("When", WHEN, shown.map(when))),
    select() {}, redraw() {}, key: () => false };
}

const WHO = [["On the path", "number"], ["Share", "number"], ["", "small"], ["Service"], ["Operation", "name"], ["Steps", "number small"]];
const WHEN = [["At", "number"], ["For", "number"], ["", "small"], ["Service"], ["Operation", "name"]];
