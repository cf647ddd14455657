// One trace: its figures, what its patterns say, and four ways to look at it beside the chosen span.

import { get, isSaved } from "traces/api.js";
import { detail } from "traces/detail.js";
import { h, show, svg } from "traces/dom.js";
import { address, clock, count, day, duration } from "traces/format.js";
import { flame } from "traces/flame.js";
import { log } from "traces/log.js";
import { meet } from "traces/palette.js";
import { path } from "traces/path.js";
import { chip, dots, openSource } from "traces/pieces.js";
import { CRITICAL, FAILED, Tree } from "traces/tree.js";
import { waterfall } from "traces/waterfall.js";

const FEW = 3, MOST_FINDINGS = 20;
const LOOKS = { w: ["waterfall", waterfall], f: ["flame graph", flame], c: ["critical path", path], l: ["log", log] };

export async function traceView(page, id, query) {
  const trace = await get(`/api/trace/${id}`);
  meet(trace.operations.map((one) => one.service));
  const tree = new Tree(trace);
  const side = detail(tree, page, (at) => choose(at));
  const stage = h("div", { class: "stage", id: "stage", role: "tabpanel" });
  const tabs = Object.entries(LOOKS).map(([key, [name]]) => h("button", {
    role: "tab", "data-key": key, "aria-controls": "stage", onclick: () => look(key), onkeydown: besides,
  }, name, h("kbd", { "aria-hidden": "true" }, key)));
  const told = h("div", { class: "told" });
  const grown = h("button", { class: "grown", hidden: true, onclick: () => page.open() });
  const looks = {};
  let chosen = -1, current = null, gone = false;

  const failed = tree.flags.filter((flags) => flags & FAILED).length;
  const services = [...new Set(trace.operations.map((one) => one.service))];
  const figures = [
    ["took", duration(trace.took)], ["spans", count(tree.size)], ["services", String(services.length)],
    ["errors", failed ? count(failed) : "none"], ["began", `${day(trace.start)} ${clock(trace.start)}`],
  ];
  const figure = ([name, value]) =>
    h("div", { class: name === "errors" && failed ? "failed" : "" }, h("dt", {}, name), h("dd", {}, value));
  const save = !isSaved && h("a", {
    href: `/api/trace/${id}/saved`, download: `trace-${id.slice(0, 12)}.html`,
    title: "This trace as one HTML file, for a ticket or a mail",
  }, "save");

  page.show(h("div", { class: "one" },
    h("section", { class: "panel grow" },
      h("header", { class: "headline" }, h("h1", {}, tree.operation(0).name), dots(services),
        h("dl", { class: "figures" }, figures.map(figure)),
        grown, h("span", { class: "keep" }, h("code", { class: "id", title: "trace id" }, id), save)),
      told,
      h("div", { class: "tabs", role: "tablist" }, tabs),
      stage),
    side.element));

  function findings() {
    const found = tree.findings, isMany = found.length > FEW;
    const kinds = [...new Set(found.map((one) => one.kind))].join(", ");
    const finding = (one) => h("button", { class: "finding", onclick: () => choose(one.at) },
      h("b", {}, one.kind), h("span", {}, one.text), h("small", {}, one.advice));
    return h("details", { class: "findings", open: !isMany },
      h("summary", {}, h("b", {}, `${found.length} finding${found.length === 1 ? "" : "s"}`), " ", isMany && kinds),
      h("ul", {}, found.slice(0, MOST_FINDINGS).map((one) => h("li", {}, finding(one)))));
  }

  // Where failing began: what failed above it failed because of it. The same failure again is said once.
  function origins() {
    const alike = new Map();
    for (const one of tree.origins) {
      const key = `${tree.op[one.at]} ${one.message}`;
      alike.set(key, { ...(alike.get(key) ?? one), times: (alike.get(key)?.times ?? 0) + 1 });
    }
    const cross = () => svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("path", { d: "M1 1 9 9M9 1 1 9" }));
    const origin = (one) => h("button", { class: "plain", onclick: () => choose(one.at) },
      cross(), chip(tree.operation(one.at).service), h("b", {}, tree.operation(one.at).name),
      h("span", {}, one.message || "failed"), one.times > 1 && h("small", {}, `${one.times} times`));
    const more = alike.size - FEW;
    return h("ul", { class: "origins", "aria-label": "Where it failed" },
      [...alike.values()].slice(0, FEW).map((one) => h("li", {}, origin(one))),
      more > 0 && h("li", {}, h("small", {}, `and ${more} more: `, h("kbd", {}, "x"), " goes from one failure to the next")));
  }

  async function analyse() {
    tree.learn(await get(`/api/trace/${id}/analysis`));
    if (gone) return;  // the address is another view's by now
    show(told, tree.origins.length > 0 && origins(), tree.findings.length > 0 && findings());
    look(current);
  }

  function look(key) {
    current = key;
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", tab.dataset.key === key);
      tab.tabIndex = tab.dataset.key === key ? 0 : -1;
    }
    if (key === "c" && !tree.steps) return show(stage, h("p", { class: "hint" }, "following the critical path …"));
    looks[key] ??= LOOKS[key][1](tree, choose);
    if (stage.firstChild !== looks[key].element) show(stage, looks[key].element);
    if (chosen >= 0) looks[key].select(chosen);
    looks[key].redraw();
    return remember();
  }

  // Within the tabs the arrow keys go from one to the next, as everywhere.
  function besides(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const next = tabs[(tabs.indexOf(event.currentTarget) + step + tabs.length) % tabs.length];
    look(next.dataset.key);
    next.focus();
  }

  function choose(at) {
    chosen = at;
    looks[current]?.select(at);
    side.select(at).catch((error) => page.problem(error.message));
    remember();
  }

  // The address says what is shown: it can be kept, sent and reloaded.
  function remember() {
    if (isSaved) return;
    const look = current !== "w" && current, span = chosen >= 0 && tree.id[chosen];
    history.replaceState(null, "", address(`/trace/${id}`, { look, span }));
  }

  function key(event) {
    if (event.key in LOOKS) look(event.key);
    else if (event.key === "e" && chosen >= 0) openSource(tree.operation(chosen), page.problem);
    else if (event.key === "n") choose(tree.next(chosen, (at) => tree.has(at, CRITICAL)));
    else if (event.key === "x" && failed) choose(tree.next(chosen, (at) => tree.has(at, FAILED)));
    else return looks[current]?.key(event) ?? false;
    return true;
  }

  look(query.get("look") in LOOKS ? query.get("look") : "w");
  const wanted = tree.id.indexOf(query.get("span")), op = query.get("op"), service = query.get("service");
  const named = trace.operations.findIndex((one) => one.name === op && one.service === (service ?? one.service));
  if (wanted >= 0) choose(wanted);
  else if (named >= 0) choose(slowestOf(tree, named));
  analyse().catch((error) => page.problem(error.message));
  function live(message) {
    const now = message.traces?.find((one) => one.id === id);
    if (!now || now.spans <= tree.size) return;
    grown.textContent = `${now.spans - tree.size} more span${now.spans - tree.size === 1 ? "" : "s"}: show`;
    grown.hidden = false;
  }

  return { key, live, leave: () => { gone = true; }, title: tree.operation(0).name, redraw: () => looks[current]?.redraw() };
}

function slowestOf(tree, operation) {
  let found = -1;
  for (let at = 0; at < tree.size; at++) {
    if (tree.op[at] === operation && (found < 0 || tree.self[at] > tree.self[found])) found = at;
  }
  return found;
}
