// The service map: who calls whom, laid out from left to right.

import { get } from "traces/api.js";
import { h, show, svg } from "traces/dom.js";
import { count, duration, percent, rate } from "traces/format.js";
import { colour, meet } from "traces/palette.js";
import { empty } from "traces/pieces.js";

const MOST = 120;  // edges that a drawing can hold and an eye can follow
const WIDE = 176, HIGH = 62, GAP_X = 200, STRAIGHT = 130, GAP_Y = 34, EDGE = 24;

export async function mapView(page) {
  const stage = h("div", { class: "mapstage" });
  const body = h("tbody", {});
  let edges = [], spent = new Map(), due = null;
  page.show(h("section", { class: "panel whole" }, h("header", {}, h("h1", {}, "Service map"), h("span", { class: "quiet" }, "rates of the last minute with traffic; latencies as the callee saw them; orange: its share of all time")),
    h("div", { class: "scroll" }, stage, h("table", { class: "edges" }, h("thead", {}, h("tr", {}, ["From", "To", "Road", "Calls", "Rate", "Errors", "p50", "p95"].map((text, at) => h("th", { scope: "col", class: (at > 2 ? "number" : "") + (at === 3 || at === 6 ? " small" : "") }, text)))), body))));

  async function load() {
    due = null;
    const [found, functions] = await Promise.all([get("/api/map"), get("/api/functions")]);
    edges = found;
    spent = new Map();
    for (const one of functions) spent.set(one.service, (spent.get(one.service) ?? 0) + one.self);
    meet(edges.flatMap((one) => [one.caller, one.callee]));
    if (!edges.length) return void show(stage, empty("No calls between services yet", "An edge appears with the first call that one service makes to another."));
    show(stage, drawing(edges.slice(0, MOST), spent, page), edges.length > MOST && h("p", { class: "hint" }, `drawn are the ${MOST} busiest of ${edges.length} edges`));
    show(body, edges.map((one) => h("tr", {}, h("td", {}, one.caller), h("td", {}, one.callee), h("td", {}, one.road), [count(one.count), rate(one.rate), one.errors ? percent(one.errors / one.count) : "·", duration(one.p50), duration(one.p95)].map((text, at) => h("td", { class: "number" + (at === 2 && one.errors ? " failed" : "") + (at === 0 || at === 3 ? " small" : "") }, text)))));
  }

  await load();
  return { live: () => { due ??= setTimeout(() => load().catch((error) => page.problem(error.message)), 1000); }, leave: () => clearTimeout(due), key: () => false };
}

function drawing(edges, spent, page) {
  const nodes = layout(edges);
  const wide = Math.max(...[...nodes.values()].map((one) => one.x + WIDE)) + EDGE, high = Math.max(...[...nodes.values()].map((one) => one.y + HIGH)) + EDGE;
  const whole = [...spent.values()].reduce((sum, one) => sum + one, 0) || 1;
  const busiest = Math.max(...edges.map((one) => one.count));
  return svg("svg", { class: "map", viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, role: "img", "aria-label": `service map of ${nodes.size} services` },
    svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { d: "M0 0 8 4 0 8z" }))),
    together(edges.filter((one) => one.caller !== one.callee)).map((one) => connection(one, nodes, busiest)),
    [...nodes.values()].map((node) => box(node, (spent.get(node.name) ?? 0) / whole, page)));
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
  const back = to.x <= from.x, shift = edge.lane * 22;
  const x1 = from.x + WIDE, y1 = from.y + HIGH / 2 + shift, x2 = to.x - 3, y2 = to.y + HIGH / 2 + shift;
  const reach = Math.max(x1 + 30, x2 - STRAIGHT), bend = (reach - x1) / 2;  // the last stretch is straight: the label stands on it
  const line = back ? `M${from.x + WIDE / 2} ${from.y + HIGH} C${from.x + WIDE / 2} ${from.y + HIGH + 60} ${to.x + WIDE / 2} ${to.y + HIGH + 60} ${to.x + WIDE / 2} ${to.y + HIGH}` : `M${x1} ${y1} C${x1 + bend} ${y1} ${reach - bend} ${y2} ${reach} ${y2} L${x2} ${y2}`;
  const at = back ? [(from.x + to.x + WIDE) / 2, Math.max(from.y, to.y) + HIGH + 48] : [x2 - 8, y2 - 7];
  const text = `${edge.road} · ${rate(edge.rate)} · ${duration(edge.p95)}`;
  return svg("g", { class: edge.errors ? "edge failed" : "edge" },
    svg("path", { d: line, "stroke-width": (1 + 3 * Math.sqrt(edge.count / busiest)).toFixed(1), "marker-end": "url(#arrow)" }),
    svg("text", { x: at[0], y: at[1], "text-anchor": back ? "middle" : "end" }, text),
    svg("title", {}, `${edge.caller} calls ${edge.callee} by ${edge.road}: ${edge.count} calls, ${edge.errors} failed, p50 ${duration(edge.p50)}, p95 ${duration(edge.p95)}`));
}

function box(node, share, page) {
  const known = !node.name.startsWith("(") && !node.isDatabase;
  const part = node.calls ? node.errors / node.calls : 0;
  const text = node.calls ? `${rate(node.rate)}  ·  p95 ${duration(node.p95)}` : "";
  const go = () => known && page.go("/traces?" + new URLSearchParams({ q: `service:${node.name}` }));
  return svg("g", { class: `node${known ? " link" : ""}`, transform: `translate(${node.x} ${node.y})`, tabindex: known ? 0 : undefined, role: known ? "link" : undefined, "aria-label": `${node.name} ${text}, ${percent(share)} of the time`, onclick: go, onkeydown: (event) => event.key === "Enter" && go() },
    svg("rect", { class: "body", width: WIDE, height: HIGH, rx: node.isDatabase ? HIGH / 2 : 6 }), svg("rect", { width: 5, height: HIGH - 24, x: node.isDatabase ? 16 : 10, y: 12, rx: 2.5, fill: colour(node.name) }),
    svg("text", { class: "title", x: node.isDatabase ? 30 : 24, y: 27 }, node.name.length > 19 ? node.name.slice(0, 18) + "…" : node.name), svg("text", { class: "quiet", x: node.isDatabase ? 30 : 24, y: 46 }, text),
    // How much of all time is spent in it: the guilty service is seen here, too.
    share > 0.005 && svg("rect", { class: "spent", x: 10, y: HIGH - 5, height: 3, rx: 1.5, width: Math.max(2, share * (WIDE - 20)) }), share > 0.005 && svg("text", { class: "hot", x: WIDE - 10, y: 46, "text-anchor": "end" }, percent(share)), svg("title", {}, `${node.name}: ${percent(share)} of the time is spent in it`),
    part > 0 && svg("text", { class: "failed", x: WIDE - 10, y: 27, "text-anchor": "end" }, percent(part)));
}

// Layers by the longest way from the outside; cycles are cut where they close. Within a layer by the callers' places.
function layout(edges) {
  const names = [...new Set(edges.flatMap((one) => [one.caller, one.callee]))];
  const calls = edges.filter((one) => one.caller !== one.callee);
  const layer = new Map(names.map((name) => [name, 0]));
  for (let round = 0; round < names.length; round++) {
    let changed = false;
    for (const { caller, callee } of calls) {
      if (layer.get(callee) <= layer.get(caller) && !reaches(calls, callee, caller)) { layer.set(callee, layer.get(caller) + 1); changed = true; }
    }
    if (!changed) break;
  }
  const columns = [];
  for (const name of names) (columns[layer.get(name)] ??= []).push(name);
  const nodes = new Map();
  const tallest = Math.max(...columns.map((one) => one?.length ?? 0));
  columns.forEach((column, x) => {
    const above = (name) => { const ys = calls.filter((one) => one.callee === name && nodes.has(one.caller)).map((one) => nodes.get(one.caller).y); return ys.length ? ys.reduce((a, b) => a + b, 0) / ys.length : 0; };
    column.sort((one, two) => above(one) - above(two) || one.localeCompare(two));
    const offset = ((tallest - column.length) * (HIGH + GAP_Y)) / 2;
    column.forEach((name, y) => nodes.set(name, { name, x: EDGE + x * (WIDE + GAP_X), y: EDGE + offset + y * (HIGH + GAP_Y), ...sums(edges, name) }));
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
  return { calls: sum((one) => one.count), errors: sum((one) => one.errors), rate: sum((one) => one.rate), p95: Math.max(0, ...into.map((one) => one.p95)), isDatabase: into.length > 0 && into.every((one) => one.road === "query") };
}
