// The service map: who calls whom, laid out from left to right.

import { get } from "traces/api.js";
import { h, show, svg } from "traces/dom.js";
import { address, count, duration, percent, rate, term } from "traces/format.js";
import { colour, meet } from "traces/palette.js";
import { cell, empty, heads, number } from "traces/pieces.js";

const MOST = 120;  // edges that a drawing can hold and an eye can follow
const WIDE = 176, HIGH = 62, GAP_X = 200, STRAIGHT = 130, GAP_Y = 34, EDGE = 24, LANE = 22;
const REFRESH = 1000;
const TELLING = 0.005;  // a share of the time that is worth a number

export async function mapView(page) {
  const stage = h("div", { class: "mapstage" });
  const body = h("tbody", {});
  let due = null;
  page.show(h("section", { class: "panel whole" },
    h("header", {}, h("h1", {}, "Service map"),
      h("span", { class: "quiet" }, "rates of the last minute with traffic; latencies as the callee saw them; orange: its share of all time")),
    h("div", { class: "scroll" }, stage, h("table", { class: "edges" }, heads(HEAD), body))));

  async function load() {
    due = null;
    const [edges, functions] = await Promise.all([get("/api/map"), get("/api/functions")]);
    const spent = new Map();
    for (const one of functions) spent.set(one.service, (spent.get(one.service) ?? 0) + one.self);
    meet(edges.flatMap((one) => [one.caller, one.callee]));
    show(body, edges.map(line));
    if (!edges.length) show(stage, NOTHING());
    else show(stage, drawing(edges.slice(0, MOST), spent, page), edges.length > MOST && h("p", { class: "hint" }, `drawn are the ${MOST} busiest of ${edges.length} edges`));
  }

  await load();
  return {
    live() { due ??= setTimeout(() => load().catch((error) => page.problem(error.message)), REFRESH); },
    leave: () => clearTimeout(due),
    key: () => false,
  };
}

const HEAD = [
  ["From"], ["To"], ["Road"], ["Calls", "number small"], ["Rate", "number"], ["Errors", "number"],
  ["p50", "number small"], ["p95", "number"],
];
const NOTHING = () => empty("No calls between services yet", "An edge appears with the first call that one service makes to another.");

const line = (one) => h("tr", {}, cell("", one.caller), cell("", one.callee), cell("", one.road),
  number(count(one.count), "small"), number(rate(one.rate)),
  one.errors ? number(percent(one.errors / one.count), "failed") : number("·", "none"),
  number(duration(one.p50), "small"), number(duration(one.p95)));

function drawing(edges, spent, page) {
  const nodes = layout(edges);
  const all = [...nodes.values()];
  const wide = Math.max(...all.map((one) => one.x)) + WIDE + EDGE, high = Math.max(...all.map((one) => one.y)) + HIGH + EDGE;
  const whole = [...spent.values()].reduce((sum, one) => sum + one, 0) || 1;
  const busiest = Math.max(...edges.map((one) => one.count));
  const head = { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" };
  const about = { viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, role: "img", "aria-label": `service map of ${all.length} services` };
  return svg("svg", { class: "map", ...about },
    svg("defs", {}, svg("marker", head, svg("path", { d: "M0 0 8 4 0 8z" }))),
    together(edges.filter((one) => one.caller !== one.callee)).map((one) => connection(one, nodes, busiest)),
    all.map((node) => box(node, (spent.get(node.name) ?? 0) / whole, page)));
}

// Several roads between the same two are drawn as neighbours, not on top of each other.
function together(edges) {
  const seen = new Map();
  return edges.map((edge) => {
    const key = `${edge.caller}\n${edge.callee}`, lane = seen.get(key) ?? 0;
    seen.set(key, lane + 1);
    return { ...edge, lane };
  });
}

function connection(edge, nodes, busiest) {
  const from = nodes.get(edge.caller), to = nodes.get(edge.callee);
  const isBack = to.x <= from.x;
  const { line, at } = isBack ? below(from, to) : ahead(from, to, edge.lane * LANE);
  return svg("g", { class: edge.errors ? "edge failed" : "edge" },
    svg("path", { d: line, "stroke-width": (1 + 3 * Math.sqrt(edge.count / busiest)).toFixed(1), "marker-end": "url(#arrow)" }),
    svg("text", { x: at[0], y: at[1], "text-anchor": isBack ? "middle" : "end" }, `${edge.road} · ${rate(edge.rate)} · ${duration(edge.p95)}`),
    svg("title", {}, `${edge.caller} calls ${edge.callee} by ${edge.road}: ${edge.count} calls, ${edge.errors} failed, `
      + `p50 ${duration(edge.p50)}, p95 ${duration(edge.p95)}`));
}

// To the right; the last stretch is straight, for the label stands on it.
function ahead(from, to, shift) {
  const x1 = from.x + WIDE, y1 = from.y + HIGH / 2 + shift, x2 = to.x - 3, y2 = to.y + HIGH / 2 + shift;
  const reach = Math.max(x1 + 30, x2 - STRAIGHT), bend = (reach - x1) / 2;
  return { line: `M${x1} ${y1} C${x1 + bend} ${y1} ${reach - bend} ${y2} ${reach} ${y2} L${x2} ${y2}`, at: [x2 - 8, y2 - 7] };
}

// Back to the left: around, below both.
function below(from, to) {
  const x1 = from.x + WIDE / 2, y1 = from.y + HIGH, x2 = to.x + WIDE / 2, y2 = to.y + HIGH;
  return { line: `M${x1} ${y1} C${x1} ${y1 + 60} ${x2} ${y2 + 60} ${x2} ${y2}`, at: [(x1 + x2) / 2, Math.max(y1, y2) + 48] };
}

function box(node, share, page) {
  const isService = !node.name.startsWith("(") && !node.isDatabase;
  const failed = node.calls ? node.errors / node.calls : 0;
  const text = node.calls ? `${rate(node.rate)}  ·  p95 ${duration(node.p95)}` : "";
  const said = `${node.name} ${text}, ${percent(share)} of the time`;
  const go = () => page.go(address("/traces", { q: term("service:", node.name) }));
  const link = isService && { tabindex: 0, role: "link", onclick: go, onkeydown: (event) => event.key === "Enter" && go() };
  const left = node.isDatabase ? 30 : 24, right = WIDE - 10;
  return svg("g", { class: `node${isService ? " link" : ""}`, transform: `translate(${node.x} ${node.y})`, "aria-label": said, ...link },
    svg("rect", { class: "body", width: WIDE, height: HIGH, rx: node.isDatabase ? HIGH / 2 : 6 }),
    svg("rect", { width: 5, height: HIGH - 24, x: left - 14, y: 12, rx: 2.5, fill: colour(node.name) }),
    svg("text", { class: "title", x: left, y: 27 }, node.name.length > 19 ? node.name.slice(0, 18) + "…" : node.name),
    svg("text", { class: "quiet", x: left, y: 46 }, text),
    failed > 0 && svg("text", { class: "failed", x: right, y: 27, "text-anchor": "end" }, percent(failed)),
    // How much of all time is spent in it: the guilty service is seen here, too.
    share > TELLING && [
      svg("rect", { class: "spent", x: 10, y: HIGH - 5, height: 3, rx: 1.5, width: Math.max(2, share * (WIDE - 20)) }),
      svg("text", { class: "hot", x: right, y: 46, "text-anchor": "end" }, percent(share)),
    ],
    svg("title", {}, said));
}

// Layers by the longest way from the outside; cycles are cut where they close. Within a layer by the callers' places.
function layout(edges) {
  const names = [...new Set(edges.flatMap((one) => [one.caller, one.callee]))];
  const calls = edges.filter((one) => one.caller !== one.callee);
  const layer = new Map(names.map((name) => [name, 0]));
  for (let round = 0; round < names.length; round++) {
    let changed = false;
    for (const { caller, callee } of calls) {
      if (layer.get(callee) > layer.get(caller) || reaches(calls, callee, caller)) continue;
      layer.set(callee, layer.get(caller) + 1);
      changed = true;
    }
    if (!changed) break;
  }
  const columns = [];
  for (const name of names) (columns[layer.get(name)] ??= []).push(name);
  const nodes = new Map();
  const tallest = Math.max(...columns.map((one) => one?.length ?? 0));
  const above = (name) => {
    const ys = calls.filter((one) => one.callee === name && nodes.has(one.caller)).map((one) => nodes.get(one.caller).y);
    return ys.length ? ys.reduce((sum, one) => sum + one, 0) / ys.length : 0;
  };
  columns.forEach((column, x) => {
    column.sort((one, two) => above(one) - above(two) || one.localeCompare(two));
    const offset = ((tallest - column.length) * (HIGH + GAP_Y)) / 2;
    column.forEach((name, y) => {
      nodes.set(name, { name, x: EDGE + x * (WIDE + GAP_X), y: EDGE + offset + y * (HIGH + GAP_Y), ...sums(edges, name) });
    });
  });
  return nodes;
}

function reaches(calls, from, to, seen = new Set()) {
  if (from === to) return true;
  seen.add(from);
  return calls.some((one) => one.caller === from && !seen.has(one.callee) && reaches(calls, one.callee, to, seen));
}

function sums(edges, name) {
  const into = edges.filter((one) => one.callee === name);
  const sum = (pick) => into.reduce((whole, one) => whole + pick(one), 0);
  return {
    calls: sum((one) => one.count), errors: sum((one) => one.errors), rate: sum((one) => one.rate),
    p95: Math.max(0, ...into.map((one) => one.p95)), isDatabase: into.length > 0 && into.every((one) => one.road === "query"),
  };
}
