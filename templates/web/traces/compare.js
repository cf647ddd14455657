// Two sets of traces side by side: what came, what went, what became slower.

import { get } from "traces/api.js";
import { h, show } from "traces/dom.js";
import { address, duration, signed, term } from "traces/format.js";
import { cell, empty, heads, number } from "traces/pieces.js";

export async function compareView(page, _, query) {
  const field = (name, label, placeholder) => h("label", {}, label,
    h("input", { type: "search", name, value: query.get(name) ?? "", placeholder, spellcheck: "false" }));
  const compare = (event) => {
    event.preventDefault();
    page.go("/compare?" + new URLSearchParams(new FormData(form)));
  };
  const form = h("form", { class: "sides", onsubmit: compare },
    field("a", "Before", "age>5m"), field("b", "After", "age<5m"), h("button", {}, "Compare"));
  const result = h("div", { class: "scroll" });
  page.show(h("section", { class: "panel whole" }, h("header", {}, h("h1", {}, "Compare"), form), result));
  if (!query.has("a") && !query.has("b")) {
    show(result, HINT());
    return { key: () => false };
  }
  show(result, h("p", { class: "hint" }, "comparing …"));
  const found = await get("/api/compare", { a: query.get("a"), b: query.get("b") });
  const [before, after] = found.traces;
  show(result, before && after ? table(found) : empty("Nothing to compare", `${before} traces fit before, ${after} after.`));
  return { key: () => false };
}

const HINT = () => empty("Two searches, side by side",
  "Before and after a change: ", h("code", {}, "age>5m"), " and ", h("code", {}, "age<5m"),
  "; those that failed and those that did not; two versions by an attribute: ",
  h("code", {}, "service.version=1"), " and ", h("code", {}, "service.version=2"),
  ". Up to 200 traces of each side are compared, place by place in the call tree.");

const HEAD = [
  ["Change of self time per trace", "change"], ["Before", "number small"], ["After", "number"],
  ["Calls per trace", "number small"], ["", "small"], ["Where", "name"],
];

const sign = (change) => (change > 0 ? "slower" : "faster");
const nameOf = (place) => place.split(" ").slice(1).join(" ");  // a place is a service and a name

function table(found) {
  const most = Math.max(...found.rows.map((row) => Math.abs(row.change)), 1);
  const [before, after] = found.took;
  return [
    h("p", { class: "verdict" }, `${found.traces[0]} traces before, ${found.traces[1]} after. The median took `,
      h("b", {}, duration(before)), " and takes ", h("b", {}, duration(after)),
      before !== after && h("span", { class: sign(after - before) }, ` ${signed(after - before)}`), worst(found.rows[0])),
    h("table", { class: "compare" }, heads(HEAD), h("tbody", {}, found.rows.map((row) => line(row, most)))),
    found.more > 0 && h("p", { class: "hint" }, `and ${found.more} more that changed less`),
  ];
}

function worst(row) {
  if (!row?.change) return "";
  const place = row.path.at(-1);
  return [". What changed most: ", h("b", {}, nameOf(place)), ` in ${place.split(" ")[0]}`,
    h("span", { class: sign(row.change) }, ` ${signed(row.change)}`), " per trace."];
}

function line(row, most) {
  const part = (Math.abs(row.change) / most) * 50;
  const [service] = row.path.at(-1).split(" "), name = nameOf(row.path.at(-1));
  const calls = row.calls.map((one) => (Number.isInteger(one) ? String(one) : one < 0.05 ? "<0.1" : one.toFixed(1)));
  const search = address("/traces", { q: `${term("service:", service)} ${term("name:", name)}`, order: "slowest" });
  const bar = { left: `${row.change > 0 ? 50 : 50 - part}%`, width: `${part}%` };
  return h("tr", {},
    cell("change", h("span", { class: sign(row.change) }, signed(row.change)),
      h("span", { class: "diverging" }, h("i", { class: sign(row.change), style: bar }))),
    number(row.state === "new" ? "·" : duration(row.self[0]), "small"), number(row.state === "gone" ? "·" : duration(row.self[1])),
    number(calls[0] === calls[1] ? calls[0] : calls.join(" → "), "small"),
    cell("small", row.state !== "same" && h("span", { class: `badge ${row.state}` }, row.state)),
    cell("where", h("small", {}, row.path.slice(0, -1).map(nameOf).join(" › ")),
      h("a", { href: search, "data-view": true, title: "traces with it, the slowest first" }, name), h("small", {}, service)));
}
