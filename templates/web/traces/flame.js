// The flame graph: spans of the same operation below the same ones are one block, as wide as the time spent in
// them and below.

import { h, show } from "traces/dom.js";
import { duration, percent } from "traces/format.js";
import { colour } from "traces/palette.js";
import { FAILED } from "traces/tree.js";

const HIGH = 22;
const NARROWEST = 0.0008;
const NAMED = 0.02;
const MOST = 1500;

export function flame(tree, choose) {
  const root = gathered(tree);
  const drawn = new Map();
  let top = root;
  const sheet = h("div", { class: "flames", role: "tree", "aria-label": "Flame graph" });
  const trail = h("p", { class: "trail" });
  const element = h("div", { class: "flame" }, trail, sheet);

  const focused = () => [...drawn].find(([, made]) => made === document.activeElement)?.[0];

  function draw() {
    const blocks = [], held = focused();
    drawn.clear();
    let deepest = 0;
    const line = [];
    for (let node = top; node; node = node.above) line.unshift(node);
    const put = (node, left, width, level) => {
      const queue = [[node, left, width, level]];
      while (queue.length && blocks.length < MOST) {
        const [one, from, wide, depth] = queue.shift();
        deepest = Math.max(deepest, depth);
        blocks.push(block(one, from, wide, depth));
        let at = from;
        for (const below of one.below) {
          const share = (below.time / one.time) * wide;
          if (share >= NARROWEST) queue.push([below, at, share, depth + 1]);
          at += share;
        }
      }
    };
    line.slice(0, -1).forEach((node, level) => blocks.push(block(node, 0, 1, level)));
    put(top, 0, 1, line.length - 1);
    sheet.style.height = `${(deepest + 1) * HIGH}px`;
    show(sheet, blocks);
    if (held) (drawn.get(held) ?? drawn.get(top)).focus();
    const part = top === root ? "" : `, ${percent(top.time / root.time)} of the trace`;
    const what = top === root ? "whole trace" : top.name;
    trail.textContent = `${what}: ${duration(top.time)} of work${part} · click a block to see it closer, 0 for all`;
  }

  function block(node, left, width, level) {
    const calls = `${node.calls} call${node.calls === 1 ? "" : "s"}`;
    const text = `${node.service && node.service + " "}${node.name}: ${duration(node.time)} in ${calls}, ${duration(node.own)} itself`;
    const made = h("button", {
      class: "block" + (node.failed ? " failed" : "") + (node === top ? " top" : ""), onclick: () => open(node),
      role: "treeitem", title: text, "aria-label": text, "aria-level": level + 1, tabindex: node === top ? 0 : -1,
      style: {
        left: `${left * 100}%`, width: `${width * 100}%`, top: `${level * HIGH}px`,
        "--colour": node.service ? colour(node.service) : "var(--muted)",
      },
    }, width > NAMED && node.name);
    drawn.set(node, made);
    return made;
  }

  function open(node) {
    top = node;
    draw();
    if (node.first >= 0) choose(node.first);
  }

  // With the arrow keys: to what called it, to what it called, to its neighbours.
  function walk(event) {
    const at = focused() ?? top;
    const beside = (step) => at.above?.below[at.above.below.indexOf(at) + step];
    const next = { ArrowUp: () => at.above, ArrowDown: () => at.below[0], ArrowLeft: () => beside(-1), ArrowRight: () => beside(1) }[event.key];
    if (!next) return false;
    drawn.get(next())?.focus();
    return true;
  }

  draw();
  return { element, select() {}, redraw: draw, key(event) {
    if (event.key !== "0") return walk(event);
    top = root;
    draw();
    return true;
  } };
}

function gathered(tree) {
  const make = (name, service, above, first) =>
    ({ name, service, above, first, below: [], known: new Map(), time: 0, own: 0, calls: 0, failed: false });
  const root = make("all", "", null, -1);
  const nodes = new Array(tree.size);
  for (let at = 0; at < tree.size; at++) {
    const above = tree.parent[at] < 0 ? root : nodes[tree.parent[at]];
    let node = above.known.get(tree.op[at]);
    if (!node) {
      node = make(tree.operation(at).name, tree.operation(at).service, above, at);
      above.known.set(tree.op[at], node);
      above.below.push(node);
    }
    nodes[at] = node;
    node.own += tree.self[at];
    node.calls += 1;
    node.failed ||= tree.has(at, FAILED);
  }
  const order = [root];
  for (let at = 0; at < order.length; at++) for (const below of order[at].below) order.push(below);
  for (const node of order.reverse()) {
    node.time += node.own;
    node.below.sort((one, two) => two.time - one.time);
    if (node.above) node.above.time += node.time;
  }
  root.calls = 1;
  return root;
}
