// One log for a subtree: the events of all its spans, in time, whichever process wrote them.

import { get } from "traces/api.js";
import { h, show } from "traces/dom.js";
import { duration } from "traces/format.js";
import { chip, empty, failure } from "traces/pieces.js";

const MOST = 1000;

export function log(tree, choose) {
  const body = h("div", { class: "log" }, "…");
  const index = new Map(tree.id.map((id, at) => [id, at]));
  let lines = null, chosen = -1;

  function draw() {
    if (lines === null) return;
    const from = Math.max(0, chosen), to = chosen < 0 ? tree.size : tree.end[chosen];
    const fitting = lines.filter((line) => index.get(line.span) >= from && index.get(line.span) < to);
    const of = chosen < 0 ? "the whole trace" : `${tree.operation(chosen).name} and below`;
    show(body, h("p", { class: "trail" }, `${fitting.length} events of ${of}`),
      fitting.length ? h("ol", {}, fitting.slice(0, MOST).map(entry))
        : empty("Nothing was logged here", "Events and exceptions of spans appear in this list, in time."));
  }

  function entry(line) {
    const at = index.get(line.span), bad = line.name === "exception", about = line.about;
    const stack = about["exception.stacktrace"];
    const text = bad ? `${about["exception.type"] ?? ""}: ${about["exception.message"] ?? ""}`
      : Object.entries(about).map(([key, value]) => `${key}=${value}`).join(" ");
    return h("li", { class: bad ? "bad" : "" }, h("time", {}, duration(line.at)), chip(tree.operation(at).service),
      h("button", { class: "plain", onclick: () => choose(at) }, tree.operation(at).name), h("b", {}, line.name), h("span", {}, text),
      stack && h("details", {}, h("summary", {}, "stack"), h("pre", {}, stack)));
  }

  async function load() {
    lines = await get(`/api/trace/${tree.trace.id}/log`);
    draw();
  }

  load().catch((error) => show(body, failure(error)));
  return { element: body, redraw: draw, key: () => false, select(at) {
    chosen = at;
    draw();
  } };
}
