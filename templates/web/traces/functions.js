// The front page: the slowest functions over all traces, and what happens right now.

import { get } from "traces/api.js";
import { sparkline } from "traces/chart.js";
import { h, show } from "traces/dom.js";
import { clock, count, duration, percent } from "traces/format.js";
import { moved } from "traces/keys.js";
import { chip, dots, empty, source } from "traces/pieces.js";
import { meet } from "traces/palette.js";

const REFRESH = 1000;
const STREAM = 60;

export async function functionsView(page) {
  const filter = h("input", { type: "search", placeholder: "filter", "aria-label": "Filter functions", oninput: draw });
  const body = h("tbody", {});
  const total = h("span", { class: "quiet" });
  const stream = h("ol", { class: "stream", "aria-label": "Newest traces" });
  let rows = [], newest = [], due = null;

  show(page.main, h("div", { class: "front" },
    h("section", { class: "panel grow", "aria-label": "Slowest functions" },
      h("header", {}, h("h1", {}, "Where the time goes"), total, filter),
      h("div", { class: "scroll" }, h("table", { class: "functions" },
        h("thead", {}, h("tr", {}, HEAD.map(([text, title, kind]) => h("th", { class: kind, title, scope: "col" }, text)))), body))),
    h("section", { class: "panel side", "aria-label": "Live" },
      h("header", {}, h("h1", {}, "Live"), h("a", { href: "/traces", "data-view": true, class: "quiet" }, "all traces")),
      h("div", { class: "scroll" }, stream))));

  function draw() {
    const wanted = filter.value.toLowerCase();
    const sum = rows.reduce((whole, row) => whole + row.self, 0) || 1;
    const most = rows[0]?.self || 1;
    const fitting = rows.filter((row) => `${row.service} ${row.name} ${row.file}`.toLowerCase().includes(wanted));
    total.textContent = rows.length ? `${duration(sum)} in ${count(rows.reduce((all, row) => all + row.calls, 0))} calls of ${rows.length} functions` : "";
    show(body, fitting.map((row) => line(row, row.self / sum, row.self / most)));
    if (!rows.length) show(body, h("tr", {}, h("td", { colspan: HEAD.length }, NOTHING())));
  }

  const line = (row, share, size) => h("tr", { tabindex: 0, class: row.example ? "link" : "", onclick: () => example(row),
    onkeydown: (event) => event.key === "Enter" && event.target === event.currentTarget && example(row) },
    h("td", { class: "share" }, h("span", { class: "meter", style: { width: `${(size * 100).toFixed(2)}%` } }), h("b", {}, duration(row.self)), h("small", {}, percent(share))),
    h("td", { class: "number" }, count(row.calls)),
    h("td", { class: row.errors ? "number failed" : "number none" }, row.errors ? count(row.errors) : "·"),
    h("td", { class: "number" }, duration(row.p50)), h("td", { class: "number" }, duration(row.p95)), h("td", { class: "number" }, duration(row.p99)),
    h("td", { class: "trend" }, row.trend.length ? sparkline(row.trend, `self time per call over the last ten minutes`) : ""),
    h("td", {}, chip(row.service)),
    h("td", { class: "name" }, row.name),
    h("td", {}, source(row, page.problem)));

  const example = (row) => row.example && page.go(`/trace/${row.example}?op=${encodeURIComponent(row.name)}`);

  function drawStream() {
    const most = Math.max(...newest.map((one) => one.took), 1);
    show(stream, newest.map((one) => h("li", {}, h("a", { href: `/trace/${one.id}`, "data-view": true, class: one.errors ? "bad" : "" },
      h("time", {}, clock(one.start)), h("span", { class: "name" }, one.name), dots(one.services),
      h("b", {}, duration(one.took)), h("span", { class: "line" }, h("i", { style: { width: `${Math.max(1, (one.took / most) * 100)}%` } }))))));
  }

  async function load() {
    [rows, newest] = await Promise.all([get("/api/functions"), get("/api/traces", { limit: STREAM })]);
    meet([...rows.map((row) => row.service), ...newest.flatMap((one) => one.services)]);
    draw();
    drawStream();
  }

  async function refresh() {
    due = null;
    if (document.activeElement?.closest("tbody")) return;  // whoever walks through the rows keeps the place
    rows = await get("/api/functions");
    draw();
  }

  await load();
  return {
    live(message) {
      if (message.gap) return void load();
      const fresh = new Map(message.traces.map((one) => [one.id, one]));
      newest = [...fresh.values()].reverse().concat(newest.filter((one) => !fresh.has(one.id)));
      newest = newest.sort((one, two) => two.start - one.start).slice(0, STREAM);
      drawStream();
      due ??= setTimeout(() => refresh().catch((error) => page.problem(error.message)), REFRESH);
    },
    leave: () => clearTimeout(due),
    key: (event) => moved(event, () => body.querySelectorAll("tr[tabindex]")),
  };
}

const HEAD = [
  ["Self time", "Time spent in the function itself, not in what it called, over all traces", "share"],
  ["Calls", "", "number"], ["Errors", "", "number"],
  ["p50", "Self time of the median call", "number"], ["p95", "", "number"], ["p99", "", "number"],
  ["Trend", "Self time per call over the last ten minutes", ""], ["Service", "", ""], ["Function", "", ""], ["Source", "Opens in your editor", ""],
];

const NOTHING = () => empty("No spans yet", "Start something that records: ", h("code", {}, "devbox up --trace"), " for your own services, or ",
  h("code", {}, "devbox workload up --local"), " for the shop. They appear here as they end.");
