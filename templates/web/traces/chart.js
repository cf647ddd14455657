// Small charts, drawn as SVG.

import { h, svg } from "traces/dom.js";
import { duration } from "traces/format.js";

export function sparkline(all, label) {
  const values = all.slice(Math.min(all.findIndex((value) => value > 0), all.length - 6));
  const most = Math.max(...values, 1), wide = 64, high = 18;
  const points = values.map((value, at) => [(at / Math.max(1, values.length - 1)) * wide, high - 1 - (value / most) * (high - 3)]);
  const parts = [];
  values.forEach((value, at) => {
    if (!value) return;
    parts.push((at && values[at - 1] ? "L" : "M") + points[at].map((one) => one.toFixed(1)).join(" "));
  });
  const lone = values.map((value, at) => value && !values[at - 1] && !values[at + 1] ? at : -1).filter((at) => at >= 0);
  return svg("svg", { class: "spark", viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, role: "img", "aria-label": label },
    svg("path", { d: parts.join("") }),
    lone.map((at) => svg("circle", { cx: points[at][0], cy: points[at][1], r: 1.4 })));
}

// How long all calls of one operation take, and where this one is among them.
export function histogram(peers, own) {
  const low = Math.log(Math.max(1, Math.min(peers[0][0], own || 1)));
  const high = Math.log(Math.max(peers.at(-1)[0], own, 2)) + 0.01;
  const bars = 44, wide = 308, tall = 54;
  const at = (ns) => Math.min(bars - 1, Math.floor(((Math.log(Math.max(1, ns)) - low) / (high - low)) * bars));
  const heights = new Array(bars).fill(0);
  for (const [middle, calls] of peers) heights[at(middle)] += calls;
  const most = Math.max(...heights);
  const step = wide / bars;
  const drawn = heights.map((value, index) => {
    const size = value ? Math.max(1.5, (value / most) * (tall - 4)) : 0;
    const mine = index === at(own) ? " mine" : "";
    return svg("rect", { class: "column" + mine, x: (index * step).toFixed(1), y: (tall - size).toFixed(1), width: (step - 1).toFixed(1), height: size.toFixed(1) });
  });
  const label = `this call took ${duration(own)} of its own time; all calls from ${duration(peers[0][0])} to ${duration(peers.at(-1)[0])}`;
  return h("figure", { class: "histogram" },
    svg("svg", { viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": label },
      svg("line", { class: "mine", x1: (at(own) + 0.5) * step, x2: (at(own) + 0.5) * step, y1: 0, y2: tall }), drawn),
    h("figcaption", {}, h("span", {}, duration(peers[0][0])), h("span", {}, duration(peers.at(-1)[0]))));
}
