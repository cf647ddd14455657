// What one can search for: said below the search field while it is empty of ideas.

import { h, show } from "traces/dom.js";
import { term } from "traces/format.js";

export const TERMS = [
  ["service:order", "a span of that service"], ["name:rest", "a part of its name"], ["took>10ms", "it took longer"],
  ["error", "it failed"], ["user.id=12", "an attribute"], ["kind:server", "its kind"], ["declined", "any word: a part of a name or of an attribute"],
  ["trace>1s", "the whole trace took longer"], ["age<10m", "it began within the last ten minutes"],
  ["service:order >> service:user", "the second somewhere below the first"],
];
const MOST = 12;

export function offerTerms(form, field, place, services) {
  const put = (text) => {
    field.value = [field.value.trim(), text].filter(Boolean).join(" ");
    field.focus();
  };
  const offer = (text, about) => h("button", { type: "button", onclick: () => put(text) }, h("code", {}, text), about && h("small", {}, about));
  form.addEventListener("focusin", () => {
    if (!place.hidden) return;
    const known = services.slice(0, MOST).map((one) => offer(term("service:", one)));
    show(place, known.length > 0 && h("p", { class: "services" }, known), TERMS.map(([text, about]) => offer(text, about)),
      h("small", {}, "Terms beside each other hold for one span. Enter searches; Esc leaves."));
    place.hidden = false;
  });
  form.addEventListener("focusout", (event) => { if (!form.contains(event.relatedTarget)) place.hidden = true; });
  form.addEventListener("submit", () => { place.hidden = true; });
  // Safari gives a clicked button no focus: the field must not lose its own.
  place.addEventListener("mousedown", (event) => event.preventDefault());
}
