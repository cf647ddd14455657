// Traces that fit a search, newest or slowest first.

import { get } from "traces/api.js";
import { h, show } from "traces/dom.js";
import { clock, count, day, duration } from "traces/format.js";
import { moved } from "traces/keys.js";
import { meet } from "traces/palette.js";
import { chip, dots, empty } from "traces/pieces.js";

const PAGE = 100;

export async function listView(page, _, query) {
  const asked = query.get("q") ?? "", order = query.get("order") ?? "newest";
  const body = h("tbody", {});
  const amount = h("span", { class: "quiet" });
  const choice = (name) => h("a", { class: "choice", href: "/traces?" + new URLSearchParams({ ...(asked && { q: asked }), order: name }), "data-view": true, "aria-current": name === order ? "true" : undefined }, name);
  let rows = [], due = null;

  show(page.main, h("section", { class: "panel whole" },
    h("header", {}, h("h1", {}, asked ? "Traces that fit" : "Traces"), asked && h("code", { class: "asked" }, asked), amount,
      h("span", { class: "choices" }, choice("newest"), choice("slowest"))),
    h("div", { class: "scroll" }, h("table", { class: "traces" },
      h("thead", {}, h("tr", {}, ["Began", "Took", "", "Spans", "Errors", "Service", "Name", "Took part", "Trace"].map((text, at) => h("th", { scope: "col", class: [1, 3, 4].includes(at) ? "number" : "" }, text)))), body))));

  function draw() {
    const most = Math.max(...rows.map((one) => one.took), 1);
    amount.textContent = rows.length === PAGE ? `the first ${PAGE}` : `${rows.length}`;
    show(body, rows.map((one) => h("tr", { tabindex: 0, class: "link", onclick: () => page.go(`/trace/${one.id}`), onkeydown: (event) => event.key === "Enter" && page.go(`/trace/${one.id}`) },
      h("td", {}, h("small", {}, day(one.start)), " ", clock(one.start)), h("td", { class: "number" }, h("b", {}, duration(one.took))),
      h("td", { class: "track" }, h("i", { class: one.errors ? "bad" : "", style: { width: `${Math.max(0.5, (one.took / most) * 100)}%` } })),
      h("td", { class: "number" }, count(one.spans)), h("td", { class: one.errors ? "number failed" : "number none" }, one.errors || "·"),
      h("td", {}, one.service ? chip(one.service) : ""), h("td", { class: "name" }, one.name), h("td", {}, dots(one.services)),
      h("td", {}, h("a", { class: "id", href: `/trace/${one.id}`, "data-view": true }, one.id.slice(0, 12))))));
    if (!rows.length) show(body, h("tr", {}, h("td", { colspan: 9 }, asked ? HINT() : empty("No traces yet", "They appear here as their spans end."))));
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

const HINT = () => empty("Nothing fits", "Terms stand beside each other and hold for one span: ",
  ["service:order", "name:rest", "kind:server", "user.id=12", "took>10ms", "error", "any word", "trace>1s", "age<10m", "service:order >> service:user"].map((one) => [h("code", {}, one), " "]));
