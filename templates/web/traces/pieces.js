// What several views show alike.

import { h } from "traces/dom.js";
import { post } from "traces/api.js";
import { place } from "traces/format.js";
import { colour } from "traces/palette.js";

export const chip = (service) =>
  h("span", { class: "chip" }, h("i", { style: { background: colour(service) } }), service);

export const dots = (services) =>
  h("span", { class: "dots", title: services.join(", ") },
    services.slice(0, 8).map((one) => h("i", { style: { background: colour(one) } })));

// Tables: heads are [text, kind, what it means]; cells say their kind first.
export const heads = (all) =>
  h("thead", {}, h("tr", {}, all.map(([text, kind, title]) => h("th", { scope: "col", class: kind, title }, text))));
export const cell = (kind, ...parts) => h("td", { class: kind }, parts);
export const number = (text, kind = "") => cell(`number ${kind}`, text);
export const track = (part, bad = false) => cell("track small",
  h("i", { class: bad ? "bad" : "", style: { width: `${Math.max(0.5, part * 100)}%` } }));

// A row that opens something, by the mouse or by Enter.
export const opening = (open, more = {}) => ({ tabindex: 0, class: "link", onclick: open, ...more,
  onkeydown: (event) => event.key === "Enter" && event.target === event.currentTarget && open() });

// A choice of addresses: [name, address, is it this one].
export const choices = (label, all) => h("nav", { class: "choices", "aria-label": label },
  all.map(([name, href, here]) =>
    h("a", { class: "choice", href, "data-view": true, "aria-current": here ? "true" : undefined }, name)));

export const empty = (title, ...hint) => h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, ...hint));

export const failure = (error) => h("div", { class: "empty" }, h("h2", {}, "That did not work"), h("p", {}, error.message));

export function source(operation, onProblem) {
  const text = place(operation);
  if (!text) return h("span", { class: "source" });
  if (!operation.local) return h("span", { class: "source", title: operation.file }, text);
  return h("button", {
    class: "source open", title: `open ${operation.local}:${operation.line} in your editor`,
    onclick: (event) => { event.stopPropagation(); openSource(operation, onProblem); },
  }, text);
}

export async function openSource(operation, onProblem) {
  try {
    await post("/api/open", { file: operation.file, line: operation.line });
  } catch (error) {
    onProblem(error.message);
  }
}
