// Traces that fit a search, newest or slowest first.

import { get } from "traces/api.js";
import { h, show } from "traces/dom.js";
import { clock, count, day, duration } from "traces/format.js";
import { moved } from "traces/keys.js";
import { TERMS } from "traces/terms.js";
import { meet } from "traces/palette.js";
import { chip, choices, dots, empty } from "traces/pieces.js";

const PAGE = 100;

export async function listView(page, _, query) {
  const asked = query.get("q") ?? "", order = query.get("order") ?? "newest";
  const body = h("tbody", {});
  const amount = h("span", { class: "quiet" });
  const ordered = (name) => [name, "/traces?" + new URLSearchParams({ ...(asked && { q: asked }), order: name }), name === order];
  let rows = [], due = null;

  page.show(h("section", { class: "panel whole" },
    h("header", {}, h("h1", {}, asked ? "Traces that fit" : "Traces"), asked && h("code", { class: "asked" }, asked), amount,
      asked && h("a", { class: "quiet", href: "/?" + new URLSearchParams({ q: asked }), "data-view": true }, "their functions"),
      choices("Order", ["newest", "slowest"].map(ordered))),
    h("div", { class: "scroll" }, h("table", { class: "traces" },
      h("thead", {}, h("tr", {}, HEAD.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))), body))));

  function draw() {
    const most = Math.max(...rows.map((one) => one.took), 1);
    amount.textContent = rows.length === PAGE ? `the first ${PAGE}` : `${rows.length}`;
    show(body, rows.map((one) => h("tr", { tabindex: 0, class: "link", onclick: () => page.go(`/trace/${one.id}`), onkeydown: (event) => event.key === "Enter" && page.go(`/trace/${one.id}`) },
      h("td", { class: "when" }, h("small", { class: "spare" }, day(one.start), " "), clock(one.start)), h("td", { class: "number" }, h("b", {}, duration(one.took))),
      h("td", { class: "track small" }, h("i", { class: one.errors ? "bad" : "", style: { width: `${Math.max(0.5, (one.took / most) * 100)}%` } })),
      h("td", { class: "small" }, one.service ? chip(one.service) : ""), h("td", { class: "name", title: one.name }, one.name), h("td", {}, dots(one.services)),
      h("td", { class: "number small" }, count(one.spans)), h("td", { class: one.errors ? "number failed" : "number none" }, one.errors || "·"),
      h("td", { class: "spare" }, h("a", { class: "id", href: `/trace/${one.id}`, "data-view": true }, one.id.slice(0, 12))))));
    if (!rows.length) show(body, h("tr", {}, h("td", { colspan: HEAD.length }, asked ? HINT() : empty("No traces yet", "They appear here as their spans end."))));
  }

  async function load() {
    due = null;
    rows = await get("/api/traces", { q: asked, order, limit: PAGE });
    meet(rows.flatMap((one) => one.services));
    draw();
  }

  await load();
  return {
    live() { if (!document.activeElement?.closest("tbody")) due ??= setTimeout(() => load().catch((error) => page.problem(error.message)), 700); },
    leave: () => clearTimeout(due),
    key: (event) => moved(event, () => body.querySelectorAll("tr[tabindex]")),
  };
}

const HEAD = [["Began", "when"], ["Took", "number"], ["", "small"], ["Service", "small"], ["Name", "name"], ["Took part", ""], ["Spans", "number small"], ["Errors", "number"], ["Trace", "spare"]];

const HINT = () => empty("Nothing fits", "Terms stand beside each other and hold for one span: ",
  TERMS.map(([one]) => [h("code", {}, one), " "]));
