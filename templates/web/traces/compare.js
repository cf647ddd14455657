// Two sets of traces side by side: what came, what went, what became slower.

import { get } from "traces/api.js";
import { h, show } from "traces/dom.js";
import { duration, signed, term } from "traces/format.js";
import { empty } from "traces/pieces.js";

export async function compareView(page, _, query) {
  const field = (name, label, hint) => h("label", {}, label, h("input", { type: "search", name, value: query.get(name) ?? "", placeholder: hint, spellcheck: "false" }));
  const form = h("form", { class: "sides", onsubmit: (event) => { event.preventDefault(); page.go("/compare?" + new URLSearchParams(new FormData(form))); } },
    field("a", "Before", "age>5m"), field("b", "After", "age<5m"), h("button", {}, "Compare"));
  const result = h("div", { class: "scroll" });
  page.show(h("section", { class: "panel whole" }, h("header", {}, h("h1", {}, "Compare"), form), result));
  if (!query.has("a") && !query.has("b")) {
    show(result, empty("Two searches, side by side", "Before and after a change: ", h("code", {}, "age>5m"), " and ", h("code", {}, "age<5m"),
      "; those that failed and those that did not; two versions by an attribute: ", h("code", {}, "service.version=1"), " and ", h("code", {}, "service.version=2"), ". Up to 200 traces of each side are compared, place by place in the call tree."));
    return { key: () => false };
  }
  show(result, h("p", { class: "hint" }, "comparing …"));
  const found = await get("/api/compare", { a: query.get("a"), b: query.get("b") });
  show(result, found.traces[0] && found.traces[1] ? table(found) : empty("Nothing to compare", `${found.traces[0]} traces fit before, ${found.traces[1]} after.`));
  return { key: () => false };
}

function table(found) {
  const most = Math.max(...found.rows.map((row) => Math.abs(row.change)), 1);
  const [before, after] = found.took;
  return [
    h("p", { class: "verdict" }, `${found.traces[0]} traces before, ${found.traces[1]} after. The median took `, h("b", {}, duration(before)), " and takes ", h("b", {}, duration(after)),
      before !== after && h("span", { class: after > before ? "slower" : "faster" }, ` ${signed(after - before)}`), worst(found.rows[0])),
    h("table", { class: "compare" }, h("thead", {}, h("tr", {}, [["Change of self time per trace", "change"], ["Before", "number"], ["After", "number"], ["Calls per trace", "number small"], ["", "small"], ["Where", "name"]].map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))),
      h("tbody", {}, found.rows.map((row) => line(row, most)))),
    found.more > 0 && h("p", { class: "hint" }, `and ${found.more} more that changed less`),
  ];
}

function worst(row) {
  if (!row?.change) return "";
  return [". What changed most: ", h("b", {}, row.path.at(-1).split(" ").slice(1).join(" ")), " in ", row.path.at(-1).split(" ")[0], h("span", { class: row.change > 0 ? "slower" : "faster" }, ` ${signed(row.change)}`), " per trace."];
}

function line(row, most) {
  const part = (Math.abs(row.change) / most) * 50, slower = row.change > 0;
  const [service, ...name] = row.path.at(-1).split(" ");
  const calls = row.calls.map((one) => (Number.isInteger(one) ? String(one) : one < 0.05 ? "<0.1" : one.toFixed(1)));
  const search = "/traces?" + new URLSearchParams({ q: `${term("service:", service)} ${term("name:", name.join(" "))}`, order: "slowest" });
  return h("tr", {},
    h("td", { class: "change" }, h("span", { class: slower ? "slower" : "faster" }, signed(row.change)), h("span", { class: "diverging" }, h("i", { class: slower ? "slower" : "faster", style: slower ? { left: "50%", width: `${part}%` } : { left: `${50 - part}%`, width: `${part}%` } }))),
    h("td", { class: "number" }, row.state === "new" ? "·" : duration(row.self[0])), h("td", { class: "number" }, row.state === "gone" ? "·" : duration(row.self[1])),
    h("td", { class: "number small" }, calls[0] === calls[1] ? calls[0] : `${calls[0]} → ${calls[1]}`),
    h("td", { class: "small" }, row.state !== "same" && h("span", { class: `badge ${row.state}` }, row.state)),
    h("td", { class: "where" }, h("small", {}, row.path.slice(0, -1).map((one) => one.split(" ").slice(1).join(" ")).join(" › ")), h("a", { href: search, "data-view": true, title: "traces with it, the slowest first" }, name.join(" ")), h("small", {}, service)));
}
