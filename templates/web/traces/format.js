// Numbers as people read them. Durations come in ns.

const STEPS = [[1e3, 1, "ns"], [1e6, 1e3, "µs"], [1e9, 1e6, "ms"], [60e9, 1e9, "s"], [Infinity, 60e9, "min"]];

export function duration(ns) {
  const size = Math.abs(ns);
  const [, divisor, unit] = STEPS.find(([limit]) => size < limit);
  const value = ns / divisor;
  const digits = unit === "ns" || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`;
}

export const signed = (ns) => (ns > 0 ? "+" : ns < 0 ? "−" : "") + duration(Math.abs(ns));

export function count(value) {
  if (value < 10000) return String(value);
  return value < 1e6 ? `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)} k` : `${(value / 1e6).toFixed(1)} M`;
}

export function percent(part) {
  if (part > 0 && part < 0.0005) return "<0.1 %";
  return `${(part * 100).toFixed(part < 0.0995 ? 1 : 0)} %`;
}

export const rate = (perSecond) => (perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(1)) + "/s";

export function clock(ns) {
  const at = new Date(ns / 1e6);
  return at.toTimeString().slice(0, 8) + "." + String(at.getMilliseconds()).padStart(3, "0");
}

export const day = (ns) => new Date(ns / 1e6).toLocaleDateString(undefined, { day: "numeric", month: "short" });

export const place = (operation) =>
  operation.file ? `${operation.file.split("/").at(-1)}:${operation.line}` : "";

// Round steps for an axis over so many ns (1, 2 or 5 times a power of ten), all in one unit: [place, text] of each.
export function ticks(from, to, most) {
  const raw = (to - from) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw);
  const [, divisor, unit] = STEPS.find(([limit]) => to < limit);
  const digits = Math.max(0, -Math.floor(Math.log10(step / divisor) + 1e-9));
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push([at, at ? `${(at / divisor).toFixed(digits)} ${unit}` : "0"]);
  return found;
}

// A search's term with whatever is in its value: as a shell's word.
export const term = (key, value) => key + (/[\s"'\\]/.test(value) || !value ? `"${value.replace(/["\\]/g, "\\$&")}"` : value);

// An address with those parts of its query that say something.
export function address(path, query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value);
  return path + (given.length ? "?" + new URLSearchParams(given) : "");
}
