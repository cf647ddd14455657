// Elements in one expression. Text is always text: nothing that a span says can become markup.

const SVG = "http://www.w3.org/2000/svg";

const NOTHING = [null, undefined, false, ""];
const present = (children) => children.flat(Infinity).filter((one) => !NOTHING.includes(one));

function fill(made, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) made.style.setProperty(key, one);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...present(children));
  return made;
}

export const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);
export const svg = (tag, properties, ...children) => fill(document.createElementNS(SVG, tag), properties, children);

export const show = (place, ...children) => place.replaceChildren(...present(children));
