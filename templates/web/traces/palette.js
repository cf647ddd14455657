// A colour per service, the same in every view and on every visit: the server names them in the order in which it
// first met them, and those that come later follow.

const COLOURS = 10;
const met = new Map();

export function colour(service) {
  if (service.startsWith("(")) return "var(--muted)";
  if (!met.has(service)) met.set(service, met.size % COLOURS);
  return `var(--service-${met.get(service)})`;
}

export const know = (services) => services.forEach(colour);
export const meet = (services) => know([...new Set(services)].sort());
