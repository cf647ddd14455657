// The keyboard: what works everywhere, then what the view itself understands.

import { h } from "traces/dom.js";

const EVERYWHERE = [
  ["/", "search"], ["1 2 3 4", "functions, traces, map, compare"], ["t", "light or dark"], ["?", "this list"],
  ["j k ↓ ↑", "next, previous"], ["Enter", "open"], ["Esc", "back"],
];
const TRACE = [
  ["← →", "fold, unfold"], ["w f c l", "waterfall, flame graph, critical path, log"], ["e", "open the line in your editor"],
  ["z", "zoom to this span"], ["0", "the whole trace"], ["n", "next span on the critical path"], ["x", "next span that failed"],
];
const PLACES = { 1: "/", 2: "/traces", 3: "/map", 4: "/compare" };

export const keysOf = () => h("div", { class: "keys" },
  [["Everywhere", EVERYWHERE], ["In a trace", TRACE]].map(([title, keys]) => h("section", {}, h("h2", {}, title),
    h("dl", {}, keys.map(([key, text]) => [h("dt", {}, key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, text)])))));

export function pressed(event, page, view, place) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, dialog, #search")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (view?.key?.(event)) event.preventDefault();
  else if (event.key === "/") { event.preventDefault(); place("query").focus(); place("query").select(); }
  else if (event.key in PLACES) page.go(PLACES[event.key]);
  else if (event.key === "t") place("theme").click();
  else if (event.key === "?") place("help").click();
  else if (event.key === "Escape") history.back();
}

// Moving in a list of focusable rows with the keys of lists.
export function moved(event, rows) {
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (!step) return false;
  const all = [...rows()];
  const next = all[Math.max(0, Math.min(all.length - 1, all.indexOf(document.activeElement) + step))];
  next?.focus();
  return true;
}
