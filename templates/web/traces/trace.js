// One trace: its figures, what its patterns say, and four ways to look at it beside the chosen span.

import { get, isSaved } from "traces/api.js";
import { detail } from "traces/detail.js";
import { h, show } from "traces/dom.js";
import { clock, count, day, duration } from "traces/format.js";
import { flame } from "traces/flame.js";
import { log } from "traces/log.js";
import { meet } from "traces/palette.js";
import { path } from "traces/path.js";
import { dots, openSource } from "traces/pieces.js";
import { CRITICAL, FAILED, Tree } from "traces/tree.js";
import { waterfall } from "traces/waterfall.js";

const LOOKS = { w: ["waterfall", waterfall], f: ["flame graph", flame], c: ["critical path", path], l: ["log", log] };

export async function traceView(page, id, query) {
  const trace = await get(`/api/trace/${id}`);
  meet(trace.operations.map((one) => one.service));
  const tree = new Tree(trace);
  const side = detail(tree, page, (at) => choose(at));
  const stage = h("div", { class: "stage" });
  const tabs = Object.entries(LOOKS).map(([key, [name]]) => h("button", { role: "tab", "data-key": key, onclick: () => look(key) }, name, h("kbd", {}, key)));
  const told = h("div", {});
  const looks = {};
  let chosen = -1, current = null;

  const failed = tree.flags.filter((flags) => flags & FAILED).length;
  const figures = [["took", duration(trace.took)], ["spans", count(tree.size)], ["services", String(new Set(trace.operations.map((one) => one.service)).size)],
    ["errors", failed ? count(failed) : "none"], ["began", `${day(trace.start)} ${clock(trace.start)}`]];

  show(page.main, h("div", { class: "one" },
    h("section", { class: "panel grow" },
      h("header", { class: "headline" }, h("h1", {}, tree.operation(0).name), dots([...new Set(trace.operations.map((one) => one.service))]),
        h("dl", { class: "figures" }, figures.map(([name, value]) => h("div", { class: name === "errors" && failed ? "failed" : "" }, h("dt", {}, name), h("dd", {}, value)))),
        h("code", { class: "id", title: "trace id" }, id)),
      told,
      h("div", { class: "tabs", role: "tablist" }, tabs),
      stage),
    side.element));

  function findings() {
    const found = tree.findings;
    return h("details", { class: "findings", open: found.length < 4 }, h("summary", {}, h("b", {}, `${found.length} finding${found.length === 1 ? "" : "s"}`), " ", found.length > 3 ? [...new Set(found.map((one) => one.kind))].join(", ") : ""),
      h("ul", {}, found.slice(0, 20).map((one) => h("li", {}, h("button", { class: "finding", onclick: () => choose(one.spans[0]) },
        h("b", {}, one.kind), h("span", {}, one.text), h("small", {}, one.advice))))));
  }

  async function analyse() {
    tree.learn(await get(`/api/trace/${id}/analysis`));
    if (tree.findings.length) show(told, findings());
    look(current);
  }

  function look(key) {
    current = key;
    for (const tab of tabs) tab.setAttribute("aria-selected", tab.dataset.key === key);
    if (key === "c" && !tree.steps) return show(stage, h("p", { class: "hint" }, "following the critical path …"));
    looks[key] ??= LOOKS[key][1](tree, choose);
    show(stage, looks[key].element);
    if (chosen >= 0) looks[key].select(chosen);
    looks[key].redraw();
    return remember();
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
    const kept = new URLSearchParams({ ...(current !== "w" && { look: current }), ...(chosen >= 0 && { span: tree.id[chosen] }) });
    history.replaceState(null, "", `/trace/${id}${kept.size ? "?" + kept : ""}`);
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
  const wanted = tree.id.indexOf(query.get("span")), named = trace.operations.findIndex((one) => one.name === query.get("op"));
  if (wanted >= 0) choose(wanted);
  else if (named >= 0) choose(slowestOf(tree, named));
  analyse().catch((error) => page.problem(error.message));
  return { key, redraw: () => looks[current]?.redraw(), live(message) {
    if (message.traces?.some((one) => one.id === id && one.spans !== tree.size)) page.problem("This trace has grown: reload to see all of it");
  } };
}

function slowestOf(tree, operation) {
  let found = -1;
  for (let at = 0; at < tree.size; at++) if (tree.op[at] === operation && (found < 0 || tree.self[at] > tree.self[found])) found = at;
  return found;
}
