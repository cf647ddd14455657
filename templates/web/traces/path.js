// The critical path: what the end of the trace had to wait for, without gaps.

import { h } from "traces/dom.js";
import { duration, percent } from "traces/format.js";
import { colour } from "traces/palette.js";
import { chip } from "traces/pieces.js";

const MOST = 400;

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
  const strip = h("div", { class: "strip", role: "img", "aria-label": `critical path of ${duration(whole)}` }, shown.map((step) =>
    h("i", { class: step.waiting ? "waiting" : "", title: `${name(tree.operation(step.at), step.waiting)}: ${duration(step.took)}`,
      style: { width: `${(step.took / drawn) * 100}%`, background: step.waiting ? "" : colour(tree.operation(step.at).service) } })));

  const table = (title, head, rows) => h("section", {}, h("h2", {}, title), h("table", {}, h("thead", {}, h("tr", {}, head.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))), h("tbody", {}, rows)));
  const meter = (part) => h("td", { class: "track small" }, h("i", { style: { width: `${Math.max(0.5, part * 100)}%` } }));
  const row = (at, ...cells) => h("tr", { tabindex: 0, class: "link", onclick: () => choose(at), onkeydown: (event) => event.key === "Enter" && choose(at) }, cells);

  return { element: h("div", { class: "path" },
    h("p", { class: "trail" }, `${duration(whole)} from the first span to the last end; shortening anything else makes nothing faster`),
    strip,
    table("Who", [["On the path", "number"], ["Share", "number"], ["", "small"], ["Service", ""], ["Operation", "name"], ["Steps", "number small"]], guilty.slice(0, 12).map((sum) =>
      row(sum.at, h("td", { class: "number" }, h("b", {}, duration(sum.took))), h("td", { class: "number" }, percent(sum.took / whole)), meter(sum.took / guilty[0].took), h("td", {}, chip(sum.operation.service)), h("td", { class: "name" }, name(sum.operation, sum.waiting)), h("td", { class: "number small" }, String(sum.times))))),
    table("When", [["At", "number"], ["For", "number"], ["", "small"], ["Service", ""], ["Operation", "name"]], shown.map((step) =>
      row(step.at, h("td", { class: "number" }, duration(step.from)), h("td", { class: "number" }, h("b", {}, duration(step.took))), meter(step.took / whole), h("td", {}, chip(tree.operation(step.at).service)), h("td", { class: "name" }, name(tree.operation(step.at), step.waiting)))))),
    select() {}, redraw() {}, key: () => false };
}
