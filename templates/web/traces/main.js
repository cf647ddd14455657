// The page's frame: which view is shown, the search field, the live channel, the theme.

import { get, isSaved } from "traces/api.js";
import { compareView } from "traces/compare.js";
import { h, show } from "traces/dom.js";
import { functionsView } from "traces/functions.js";
import { keysOf, pressed } from "traces/keys.js";
import { listView } from "traces/list.js";
import { listen } from "traces/live.js";
import { mapView } from "traces/map.js";
import { know } from "traces/palette.js";
import { failure } from "traces/pieces.js";
import { offerTerms } from "traces/terms.js";
import { traceView } from "traces/trace.js";

const place = (id) => document.getElementById(id);
const main = place("main");
let view = null;
let met = null;  // the services, by which everything gets its colour
let turns = 0, missed = [];  // how often a view was opened; what came over the live channel while one was loading

const VIEWS = [
  [/^\/$/, functionsView, "Functions"],
  [/^\/traces$/, listView, "Traces"],
  [/^\/map$/, mapView, "Map"],
  [/^\/compare$/, compareView, "Compare"],
  [/^\/trace\/([^/]+)$/, traceView, "Trace"],
];

const page = {
  go(address) {
    if (isSaved) return;
    history.pushState(null, "", address);
    open();
  },
  open,
  problem(text) {
    place("trouble").textContent = text;
    place("trouble").hidden = !text;
  },
};

async function open() {
  await met;
  const turn = ++turns, isCurrent = () => turn === turns;
  const path = isSaved ? document.getElementById("saved").dataset.path : location.pathname;
  const [pattern, make, title] = VIEWS.find(([one]) => one.test(path)) ?? VIEWS[0];
  const query = new URLSearchParams(location.search);
  place("query").value = query.get("q") ?? "";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === path) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (turn > 1) page.problem("");
  view?.leave?.();
  view = null;
  missed = [];
  // A view that is slow to load must not come up over one that was opened after it.
  const mine = { ...page, show: (...parts) => { if (isCurrent()) show(main, ...parts); } };
  try {
    const made = await make(mine, path.match(pattern)?.[1], query);
    if (!isCurrent()) return void made.leave?.();
    view = made;
    document.title = `${made.title ?? title} · devbox`;
    missed.splice(0).forEach((message) => made.live?.(message));
  } catch (error) {
    mine.show(failure(error));
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-view]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  page.go(link.getAttribute("href"));
});

place("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = place("query").value.trim();
  place("query").blur();
  page.go("/traces" + (text ? "?" + new URLSearchParams({ q: text }) : ""));
});

place("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme.includes("dark");
  const next = dark ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
  view?.redraw?.();
});

place("help").addEventListener("click", () => {
  show(place("keys"), keysOf(), h("form", { method: "dialog" }, h("button", {}, "Close")));
  place("keys").showModal();
});

document.addEventListener("keydown", (event) => pressed(event, page, view, place));
window.addEventListener("popstate", open);

async function about() {
  if (isSaved) return;
  const said = await get("/api/about");
  place("title").textContent = place("title").title = said.title;
  know(said.services);
  offerTerms(place("search"), place("query"), place("terms"), said.services);
  const lost = Object.entries(said.lost);
  if (lost.length) page.problem("spans lost: " + lost.map(([name, many]) => `${name} ${many}`).join(", "));
}

met = about().catch((error) => page.problem(error.message));
if (isSaved) document.body.classList.add("saved");
else {
  listen((messages) => {
    for (const message of messages) {
      if ("trouble" in message) page.problem(message.trouble);
      else if (view) view.live?.(message);
      else missed.push(message);
    }
  }, (state, how) => {
    place("live").className = `live ${state === "live" ? "on" : "lost"}`;
    place("live").textContent = state === "live" ? "live" : how;
    place("live").title = how;
  });
}
await open();
