// Traces that fit a search, newest or slowest first.

import { get } from "traces/api.js";
import { h, show } from "traces/dom.js";
import { address, clock, count, day, duration } from "traces/format.js";
import { moved } from "traces/keys.js";
import { TERMS } from "traces/terms.js";
import { meet } from "traces/palette.js";
import { cell, chip, choices, dots, empty, heads, number, opening, track } from "traces/pieces.js";

const PAGE = 100;
const REFRESH = 700;

export async function listView(page, _, query) {
  const asked = query.get("q") ?? "", order = query.get("order") ?? "newest";
  const body = h("tbody", {});
  const amount = h("span", { class: "quiet" });
  const ordered = (name) => [name, address("/traces", { q: asked, order: name }), name === order];
  let rows = [], due = null;

  page.show(h("section", { class: "panel whole" },
    h("header", {}, h("h1", {}, asked ? "Traces that fit" : "Traces"), asked && h("code", { class: "asked" }, asked), amount,
      asked && h("a", { class: "quiet", href: address("/", { q: asked }), "data-view": true }, "their functions"),
      choices("Order", ["newest", "slowest"].map(ordered))),
    h("div", { class: "scroll" }, h("table", { class: "traces" }, heads(HEAD), body))));

  const line = (one, most) => h("tr", opening(() => page.go(`/trace/${one.id}`)),
    cell("when", h("small", { class: "spare" }, day(one.start), " "), clock(one.start)),
    number(h("b", {}, duration(one.took))), track(one.took / most, one.errors),
    cell("small", one.service && chip(one.service)), h("td", { class: "name", title: one.name }, one.name),
    cell("small", dots(one.services)), number(count(one.spans), "small"),
    one.errors ? number(count(one.errors), "failed") : number("·", "none"),
    cell("spare", h("a", { class: "id", href: `/trace/${one.id}`, "data-view": true }, one.id.slice(0, 12))));

  function draw() {
    const most = Math.max(...rows.map((one) => one.took), 1);
    amount.textContent = rows.length === PAGE ? `the first ${PAGE}` : `${rows.length}`;
    const nothing = () => asked ? HINT() : empty("No traces yet", "They appear here as their spans end.");
    show(body, rows.map((one) => line(one, most)), !rows.length && h("tr", {}, h("td", { colspan: HEAD.length }, nothing())));
  }

  async function load() {
    due = null;
    rows = await get("/api/traces", { q: asked, order, limit: PAGE });
    meet(rows.flatMap((one) => one.services));
    draw();
  }

  await load();
  return {
    live() {
      if (body.contains(document.activeElement) || body.matches(":hover")) return;  // nothing moves away under a hand
      due ??= setTimeout(() => load().catch((error) => page.problem(error.message)), REFRESH);
    },
    leave: () => clearTimeout(due),
    key: (event) => moved(event, () => body.querySelectorAll("tr[tabindex]")),
  };
}

const HEAD = [
  ["Began", "when"], ["Took", "number"], ["", "small"], ["Service", "small"], ["Name", "name"], ["Took part", "small"],
  ["Spans", "number small"], ["Errors", "number"], ["Trace", "spare"],
];

const HINT = () => empty("Nothing fits", "Terms stand beside each other and hold for one span: ",
  TERMS.map(([one]) => [h("code", {}, one), " "]));
