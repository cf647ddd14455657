// A colour per service, the same in every view: given in the order in which services are first met.

const COLOURS = 10;
const met = new Map();

export function colour(service) {
  if (service.startsWith("(")) return "var(--muted)";
  if (!met.has(service)) met.set(service, met.size % COLOURS);
  return `var(--service-${met.get(service)})`;
}

export const meet = (services) => [...new Set(services)].sort().forEach(colour);
