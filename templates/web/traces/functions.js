// The front page: the slowest functions over all traces (or those that fit a search), and what happens right now.

import { get } from "traces/api.js";
import { sparkline } from "traces/chart.js";
import { h, show } from "traces/dom.js";
import { address, clock, count, duration, percent, term } from "traces/format.js";
import { moved } from "traces/keys.js";
import { cell, chip, choices, dots, empty, heads, number, opening, source } from "traces/pieces.js";
import { meet } from "traces/palette.js";

const REFRESH = 1000, REFRESH_PART = 3000;  // adding up a part of the traces is more work than asking for all
const STREAM = 60;
const PERIODS = [["all", ""], ["10 min", "age<10m"], ["1 min", "age<1m"]];

export async function functionsView(page, _, query) {
  const asked = query.get("q") ?? "";
  const filter = h("input", { type: "search", placeholder: "filter", "aria-label": "Filter functions", oninput: draw });
  const body = h("tbody", {});
  const total = h("span", { class: "quiet" }, "…");
  const stream = h("ol", { class: "stream", "aria-label": "Newest traces" });
  let rows = [], among = null, newest = [], due = null;

  page.show(h("div", { class: "front" },
    h("section", { class: "panel grow", "aria-label": "Slowest functions" },
      h("header", {}, h("h1", {}, "Where the time goes"),
        asked && !PERIODS.some(([, one]) => one === asked) && h("code", { class: "asked" }, asked), total,
        choices("Period", PERIODS.map(([name, one]) => [name, address("/", { q: one }), one === asked])), filter),
      h("div", { class: "scroll" }, h("table", { class: "functions" }, heads(HEAD), body))),
    h("section", { class: "panel side", "aria-label": "Live" },
      h("header", {}, h("h1", {}, "Live"), h("a", { href: "/traces", "data-view": true, class: "quiet" }, "all traces")),
      h("div", { class: "scroll" }, stream))));

  function draw() {
    const wanted = filter.value.toLowerCase();
    const sum = rows.reduce((whole, row) => whole + row.self, 0) || 1;
    const most = Math.max(...rows.map((row) => row.self), 1);
    const fitting = rows.filter((row) => `${row.service} ${row.name} ${row.file}`.toLowerCase().includes(wanted));
    const where = among ? `${among.is_part ? "the newest " : ""}${count(among.traces)} traces` : `${rows.length} functions`;
    const calls = rows.reduce((all, row) => all + row.calls, 0);
    total.textContent = rows.length ? `${duration(sum)} in ${count(calls)} calls of ${where}` : "";
    const walked = [...body.children].indexOf(document.activeElement?.closest("tr"));
    const focused = body.children[walked]?.dataset.key;
    show(body, fitting.map((row) => line(row, row.self / sum, row.self / most)));
    if (focused) [...body.children].find((one) => one.dataset.key === focused)?.focus({ preventScroll: true });
    const instead = !rows.length ? (asked ? NONE_FIT(asked) : NOTHING()) : !fitting.length && NOT_NAMED();
    if (instead) show(body, h("tr", {}, h("td", { colspan: HEAD.length }, instead)));
  }

  const line = (row, share, size) => h("tr",
    opening(() => example(row), { "data-key": keyOf(row), class: `link ${share >= TELLING ? "telling" : ""}` }),
    cell("share", h("span", { class: "meter", style: { width: `${(size * 100).toFixed(2)}%` } }),
      h("b", {}, duration(row.self)), h("small", {}, percent(share))),
    cell("", chip(row.service)),
    h("td", { class: "name", title: row.name }, row.name),
    cell("spare roomy", source(row, page.problem)),
    number(found(row, row.calls, "", `traces with ${row.name}`), "small"),
    row.errors ? number(found(row, row.errors, " error", `traces in which ${row.name} failed`), "failed") : number("·", "none"),
    number(duration(row.p50), "small"), number(duration(row.p95)), number(duration(row.p99), "small"),
    cell("trend spare", row.trend.length > 0 && sparkline(row.trend, "self time per call over the last ten minutes")));

  const found = (row, many, more, label) => h("a", {
    href: address("/traces", { q: `${term("service:", row.service)} ${term("name:", row.name)}${more}`, order: "slowest" }),
    "data-view": true, title: label, "aria-label": `${many} calls: ${label}`, onclick: (event) => event.stopPropagation(),
  }, count(many));

  const example = (row) => row.example && page.go(address(`/trace/${row.example}`, { service: row.service, op: row.name }));

  function drawStream() {
    const most = Math.max(...newest.map((one) => one.took), 1);
    show(stream, newest.map((one) => h("li", {},
      h("a", { href: `/trace/${one.id}`, "data-view": true, class: one.errors ? "bad" : "" },
        h("time", {}, clock(one.start)), h("span", { class: "name" }, one.name), dots(one.services), h("b", {}, duration(one.took)),
        h("span", { class: "line" }, h("i", { style: { width: `${Math.max(1, (one.took / most) * 100)}%` } }))))));
  }

  async function ask() {
    if (!asked) return get("/api/functions");
    among = await get("/api/functions/among", { q: asked });
    return among.rows;
  }

  async function load() {
    [rows, newest] = await Promise.all([ask(), get("/api/traces", { limit: STREAM })]);
    meet([...rows.map((row) => row.service), ...newest.flatMap((one) => one.services)]);
    draw();
    drawStream();
  }

  async function refresh() {
    due = null;
    const fresh = await ask();
    // Rows stay where they are while somebody points at one or walks through them; their figures go on.
    const isHeld = body.matches(":hover") || body.contains(document.activeElement);
    const place = new Map(isHeld ? rows.map((row, at) => [keyOf(row), at]) : []);
    const at = (row) => place.get(keyOf(row)) ?? rows.length;
    rows = fresh.sort((one, two) => at(one) - at(two) || two.self - one.self);
    if (!body.matches(":active")) draw();
  }

  await load();
  return {
    live(message) {
      if (message.gap) return void load();
      const fresh = new Map(message.traces.map((one) => [one.id, one]));
      newest = [...fresh.values()].reverse().concat(newest.filter((one) => !fresh.has(one.id)));
      newest = newest.sort((one, two) => two.start - one.start).slice(0, STREAM);
      if (!stream.matches(":hover") && !stream.contains(document.activeElement)) drawStream();  // nothing moves away under a hand
      due ??= setTimeout(() => refresh().catch((error) => page.problem(error.message)), asked ? REFRESH_PART : REFRESH);
    },
    leave: () => clearTimeout(due),
    key: (event) => moved(event, () => body.querySelectorAll("tr[tabindex]")),
  };
}

const TELLING = 0.1;  // of all time: a function that one has to look at
const keyOf = (row) => [row.service, row.name, row.kind, row.function, row.file, row.line].join("\n");

const HEAD = [
  ["Self time", "share", "Time spent in the function itself, not in what it called, over all traces"],
  ["Service"], ["Function", "name"], ["Source", "spare roomy", "Opens in your editor"],
  ["Calls", "number small"], ["Errors", "number"],
  ["p50", "number small", "Self time of the median call"],
  ["p95", "number", "Self time that 95 % of the calls stay below"], ["p99", "number small"],
  ["Trend", "spare", "Self time per call over the last ten minutes"],
];

const NOTHING = () => empty("No spans yet",
  "Start something that records: ", h("code", {}, "devbox up --trace"), " for your own services, or ",
  h("code", {}, "devbox workload up --local"), " for the shop. They appear here as they end.");
const NONE_FIT = (asked) => empty("Nothing fits", "No trace fits ", h("code", {}, asked), ". ",
  h("a", { href: "/", "data-view": true }, "All functions"), " are still there.");
const NOT_NAMED = () => empty("Nothing fits", "No service, function or file has this in its name.");
