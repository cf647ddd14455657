// The waterfall: as many rows as fit into the window exist, however many spans there are.

import { h, show } from "traces/dom.js";
import { duration, ticks } from "traces/format.js";
import { colour } from "traces/palette.js";
import { CRITICAL, FAILED, MISSING } from "traces/tree.js";

const ROW = 24;
const SPARE = 8;
const DEEPEST = 24;

export function waterfall(tree, choose) {
  const whole = { from: 0, to: Math.max(1, tree.trace.took) };
  let view = { ...whole }, chosen = -1, asked = false;
  const rows = [];
  const axis = h("div", { class: "axis", "aria-hidden": "true" });
  const canvas = h("canvas", { class: "overview", "aria-label": "The whole trace; drag over a part to see it closer", role: "img" });
  const sheet = h("div", { class: "sheet", role: "presentation" });
  const scroller = h("div", { class: "rows", role: "tree", tabindex: 0, "aria-label": "Spans", onscroll: later }, sheet);
  const element = h("div", { class: "waterfall" }, canvas, h("div", { class: "heads" }, h("span", {}, "Service and operation"), axis), scroller);

  function later() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  }

  function row(at) {
    rows[at] ??= (() => {
      const part = (tag, kind) => h(tag, { class: kind });
      const made = {
        fold: part("span", "fold"), mark: part("i", "mark"), name: part("span", "name"), service: part("span", "of"),
        bar: part("span", "span"), inner: h("i", {}), took: part("span", "took"),
      };
      made.bar.append(made.inner);
      made.label = h("span", { class: "label" }, made.fold, made.mark, made.service, made.name);
      made.line = h("div", { class: "row", role: "treeitem", onclick: (event) => pick(event, made.at) },
        made.label, h("span", { class: "track" }, made.bar, made.took));
      sheet.append(made.line);
      return made;
    })();
    return rows[at];
  }

  function pick(event, at) {
    if (event.target.classList.contains("fold") && tree.fold(at, !tree.folded.has(at))) draw();
    else choose(at);
  }

  function fill(made, at, top) {
    const operation = tree.operation(at), span = view.to - view.from;
    const left = ((tree.start[at] - view.from) / span) * 100, width = (tree.took[at] / span) * 100;
    const failed = tree.has(at, FAILED), critical = tree.has(at, CRITICAL), missing = tree.has(at, MISSING);
    made.at = at;
    made.line.style.transform = `translateY(${top}px)`;
    made.line.className = "row" + (at === chosen ? " chosen" : "") + (failed ? " failed" : "") + (critical ? " critical" : "");
    made.line.id = `span-${at}`;
    made.line.setAttribute("aria-level", tree.depth[at] + 1);
    made.line.setAttribute("aria-selected", at === chosen);
    const also = [failed && "failed", critical && "on the critical path", missing && "its parent is missing"].filter(Boolean);
    const said = [`${operation.service} ${operation.name}`, duration(tree.took[at]), ...also].join(", ");
    made.line.setAttribute("aria-label", said);
    if (tree.isParent(at)) made.line.setAttribute("aria-expanded", !tree.folded.has(at));
    else made.line.removeAttribute("aria-expanded");
    made.label.style.setProperty("--deep", Math.min(tree.depth[at], DEEPEST));
    made.fold.textContent = tree.isParent(at) ? (tree.folded.has(at) ? "▸" : "▾") : "";
    made.mark.style.background = colour(operation.service);
    made.service.textContent = operation.service;
    made.name.textContent = (missing ? "(parent missing) " : "") + operation.name;
    const shown = Math.max(left, 0), end = Math.min(left + width, 100);
    made.bar.style.left = `${Math.min(shown, 99.8)}%`;
    made.bar.style.width = `max(2px, ${Math.max(0, end - shown)}%)`;
    made.bar.style.visibility = left > 100 || left + width < 0 ? "hidden" : "";
    made.bar.style.background = colour(operation.service);
    // What is spent in the span itself is drawn full, what it waits for is drawn pale.
    made.inner.style.width = `${tree.took[at] ? (100 - (tree.self[at] / tree.took[at]) * 100) : 0}%`;
    made.took.textContent = duration(tree.took[at]);
    made.took.style.left = `${Math.min(Math.max(end, 0), 100)}%`;  // behind the bar: the row keeps room for it
  }

  function draw() {
    const high = scroller.clientHeight || 600;
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - SPARE);
    const count = Math.min(tree.visible.length - first, Math.ceil(high / ROW) + 2 * SPARE);
    sheet.style.height = `${tree.visible.length * ROW}px`;
    for (let at = 0; at < count; at++) {
      const made = row(at);
      made.line.hidden = false;
      fill(made, tree.visible[first + at], (first + at) * ROW);
    }
    for (let at = Math.max(0, count); at < rows.length; at++) {
      rows[at].line.hidden = true;
      rows[at].line.removeAttribute("id");
    }
    if (sheet.querySelector(`#span-${chosen}`)) scroller.setAttribute("aria-activedescendant", `span-${chosen}`);
    else scroller.removeAttribute("aria-activedescendant");
    drawAxis();
    overview();
  }

  function drawAxis() {
    const wide = axis.clientWidth;
    if (drawAxis.view === view && drawAxis.wide === wide) return;
    Object.assign(drawAxis, { view, wide });
    const marks = ticks(view.from, view.to, Math.max(2, Math.min(8, wide / 80)));
    const left = (at) => `${((at - view.from) / (view.to - view.from)) * 100}%`;
    show(axis, marks.map(([at, text]) => h("span", { style: { left: left(at) } }, text)));
  }

  function overview() {
    const wide = canvas.clientWidth, high = canvas.clientHeight, dense = devicePixelRatio || 1;
    if (!wide) return;
    const key = `${wide} ${high} ${document.documentElement.dataset.theme} ${view.from} ${view.to}`;
    if (overview.key === key) return;
    overview.key = key;
    canvas.width = wide * dense;
    canvas.height = high * dense;
    const pen = canvas.getContext("2d"), style = getComputedStyle(canvas);
    pen.scale(dense, dense);
    const step = Math.max(1, Math.ceil(tree.size / 4000));  // more rows than that are less than a hundredth of a pixel
    const tall = Math.max(1, (high - 6) / Math.min(tree.size, high));
    const colours = tree.trace.operations.map((one) => style.getPropertyValue(colour(one.service).slice(4, -1)));
    for (let at = 0; at < tree.size; at += step) {
      pen.fillStyle = tree.has(at, FAILED) ? style.getPropertyValue("--bad") : colours[tree.op[at]];
      const left = (tree.start[at] / whole.to) * wide, long = (tree.took[at] / whole.to) * wide;
      pen.fillRect(left, 3 + (at / tree.size) * (high - 6), Math.max(0.7, long), tall);
    }
    if (view.from > whole.from || view.to < whole.to) {
      pen.fillStyle = style.getPropertyValue("--veil");
      pen.fillRect(0, 0, (view.from / whole.to) * wide, high);
      pen.fillRect((view.to / whole.to) * wide, 0, wide, high);
    }
  }

  let grip = null;
  const timeAt = (event) => Math.max(0, Math.min(1, event.offsetX / canvas.clientWidth)) * whole.to;
  canvas.addEventListener("pointerdown", (event) => {
    grip = timeAt(event);
    canvas.setPointerCapture(event.pointerId);
  });
  const isDrag = (event) => Math.abs(timeAt(event) - grip) > whole.to / 200;
  canvas.addEventListener("pointermove", (event) => {
    if (grip !== null && isDrag(event)) zoom(Math.min(grip, timeAt(event)), Math.max(grip, timeAt(event)));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!isDrag(event)) zoom(whole.from, whole.to);
    grip = null;
  });
  scroller.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const factor = event.deltaY > 0 ? 1.25 : 0.8, middle = (view.from + view.to) / 2, half = ((view.to - view.from) / 2) * factor;
    zoom(Math.max(0, middle - half), Math.min(whole.to, middle + half));
  }, { passive: false });

  function zoom(from, to) {
    view = to - from < 10 ? view : { from, to };
    draw();
  }

  function select(at, scroll = true) {
    chosen = at;
    const top = tree.reveal(at) * ROW;
    sheet.style.height = `${tree.visible.length * ROW}px`;
    const isSeen = top >= scroller.scrollTop && top <= scroller.scrollTop + scroller.clientHeight - 2 * ROW;
    if (scroll && !isSeen) scroller.scrollTop = top - scroller.clientHeight / 3;
    draw();
  }

  const visible = (row) => tree.visible[Math.max(0, Math.min(tree.visible.length - 1, row))];

  function key(event) {
    const at = Math.max(0, chosen);
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[event.key];
    if (step) choose(visible(tree.rowOf(at) + (chosen < 0 ? 0 : step)));
    else if (event.key === "Home") choose(visible(0));
    else if (event.key === "End") choose(visible(tree.visible.length - 1));
    else if (event.key === "ArrowLeft" && chosen >= 0) {
      if (tree.fold(at, true)) draw();
      else if (tree.parent[at] >= 0) choose(tree.parent[at]);
    } else if (event.key === "ArrowRight" && chosen >= 0) {
      if (tree.fold(at, false)) draw();
      else if (tree.isParent(at)) choose(at + 1);
    }
    else if (event.key === "z" && chosen >= 0) zoom(tree.start[at], tree.start[at] + Math.max(tree.took[at], 10));
    else if (event.key === "0") zoom(whole.from, whole.to);
    else return false;
    return true;
  }

  new ResizeObserver(later).observe(scroller);
  return { element, select, key, redraw() { overview.key = ""; draw(); } };
}
