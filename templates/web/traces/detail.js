// Everything about the chosen span.

import { get } from "traces/api.js";
import { histogram } from "traces/chart.js";
import { h, show } from "traces/dom.js";
import { clock, count, day, duration, percent, place } from "traces/format.js";
import { chip, openSource } from "traces/pieces.js";
import { FAILED } from "traces/tree.js";

const MOST_GUILTY = 12;

export function detail(tree, page, choose) {
  const element = h("aside", { class: "panel detail", "aria-label": "Span" });
  let asked = -1;

  async function select(at) {
    asked = at;
    show(element, head(at));
    const found = await get(`/api/trace/${tree.trace.id}/span/${tree.id[at]}`).catch((error) => ({ failed: error }));
    if (asked !== at) return;  // another one was chosen meanwhile
    if (found.failed) show(element, head(at), h("p", { class: "failed" }, found.failed.message));
    else show(element, head(at), about(at, found));
  }

  function head(at) {
    const operation = tree.operation(at);
    const figures = [["took", duration(tree.took[at])], ["itself", duration(tree.self[at])], ["began at", duration(tree.start[at])]];
    const open = () => openSource(operation, page.problem);
    return h("header", {}, chip(operation.service), h("small", {}, operation.kind), h("h2", { class: "mono" }, operation.name),
      h("dl", { class: "figures" }, figures.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      operation.local
        ? h("button", { class: "editor", title: operation.local, onclick: open }, place(operation), h("kbd", {}, "e"))
        : operation.file && h("code", { class: "quiet" }, `${operation.file}:${operation.line}`));
  }

  function about(at, found) {
    const links = Object.entries(found.links_to ?? {});
    const among = () => `slower than ${found.rank.toFixed(0)} % of ${count(found.calls)} calls; half take up to `
      + `${duration(found.p50)}, 95 % up to ${duration(found.p95)}`;
    const happened = (event) => [
      h("h4", {}, event.name, h("small", {}, duration(event.at - tree.trace.start))), table("", event.attributes)];
    const link = ([trace, span]) =>
      h("a", { href: `/trace/${trace}?span=${span}`, "data-view": true, class: "id" }, trace.slice(0, 12));
    const cpu = found.attributes["cpu.time"];
    return [
      Number.isInteger(cpu) && split(cpu, tree.took[at]),
      links.length > 0 && h("p", { class: "editors" }, "or open in ",
        links.map(([name, address]) => [h("a", { href: address }, name), " "])),
      tree.has(at, FAILED) && h("p", { class: "message" }, found.message || "failed"),
      found.calls > 1 && h("section", {}, h("h3", {}, "Among its peers"),
        h("p", { class: "quiet" }, among()), histogram(found.peers, tree.self[at])),
      table("Attributes", found.attributes),
      found.events.length > 0 && h("section", {}, h("h3", {}, "Events"), found.events.map(happened)),
      found.links.length > 0 && h("section", {}, h("h3", {}, "Links"), found.links.map(link)),
      table("Process", readable(found.process)),
      h("p", { class: "quiet ids" }, "span ", h("code", {}, tree.id[at])),
    ];
  }

  // What its thread did: recorded only where it was asked for (DEVBOX_TRACE_CPU).
  function split(cpu, took) {
    const part = Math.min(1, cpu / (took || 1)), waited = Math.max(0, took - cpu);
    return h("section", {}, h("h3", {}, "On the processor"),
      h("div", { class: "split", role: "img", "aria-label": `${percent(part)} of its time on the processor` },
        h("i", { style: { width: `${part * 100}%` } })),
      h("p", { class: "quiet" }, `${duration(cpu)} computing, ${duration(waited)} waiting; what it called in its thread included`));
  }

  function table(title, values) {
    const rows = Object.entries(values);
    if (!rows.length) return "";
    const text = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
    const row = ([key, value]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, text(value)));
    return h("section", {}, title && h("h3", {}, title), h("table", { class: "values" }, h("tbody", {}, rows.map(row))));
  }

  // When it started is kept in ns since the epoch, as all times are.
  const readable = (about) => (Number(about.started) > 1e17 ? { ...about, started: `${day(about.started)} ${clock(about.started)}` } : about);

  show(element, h("header", {}, h("h2", {}, "Where its time went")), guilty(tree, choose),
    h("p", { class: "hint" }, "Choose a span: with the mouse, or with ", h("kbd", {}, "j"), " and ", h("kbd", {}, "k")));
  return { element, select };
}

// The operations of this trace by what they spent themselves; the slowest call of each is what a click shows.
function guilty(tree, choose) {
  const sums = new Map();
  for (let at = 0; at < tree.size; at++) {
    const sum = sums.get(tree.op[at]) ?? { at, self: 0, calls: 0 };
    if (tree.self[at] > tree.self[sum.at]) sum.at = at;
    sum.self += tree.self[at];
    sum.calls += 1;
    sums.set(tree.op[at], sum);
  }
  const first = [...sums.values()].sort((one, two) => two.self - one.self).slice(0, MOST_GUILTY);
  const most = first[0].self || 1;
  const entry = (sum) => h("button", { class: "plain", onclick: () => choose(sum.at) },
    chip(tree.operation(sum.at).service), h("b", {}, duration(sum.self)), h("span", { class: "name" }, tree.operation(sum.at).name),
    h("small", {}, sum.calls > 1 && `${count(sum.calls)} calls`), h("i", { style: { width: `${(sum.self / most) * 100}%` } }));
  return h("ol", { class: "guilty" }, first.map((sum) => h("li", {}, entry(sum))));
}
