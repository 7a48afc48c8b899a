// What every page of the gallery adds to its HTML: completion, keys, and the next page while scrolling.

import { completeTags, quoteTerm } from "./completion.js";
import { callApi, element, loadPage, prefix } from "./session.js";

// Above this number of images, the next page replaces this one: the document stays small.
const MAX_IMAGES = 600;

const search = document.getElementById("q");
const grid = document.getElementById("grid");

completeTags(search, /[\s()|]/u, (name) => quoteTerm(name));

function isTyping(target) {
  return target.closest("input, textarea, select, dialog") !== null;
}

function focusImage(step) {
  const links = [...grid.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
}

function move(step) {
  if (grid) focusImage(step);
  else document.getElementById(step > 0 ? "next" : "previous")?.click();
}

const KEYS = {
  "/": () => {
    search.focus();
    search.select();
  },
  j: () => move(1),
  k: () => move(-1),
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  "?": () => document.getElementById("keys").showModal(),
};

// Adds a key of one page.
export function addKey(key, run) {
  KEYS[key] = run;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const run = KEYS[event.key];
  if (!run) return;
  event.preventDefault();
  run();
});

function watch(link) {
  const observer = new IntersectionObserver(
    async ([entry]) => {
      if (!entry.isIntersecting || grid.children.length >= MAX_IMAGES) return;
      observer.disconnect();
      try {
        const next = await loadPage(link.href);
        grid.append(...next.querySelectorAll("#grid > li"));
        const following = next.getElementById("more");
        if (!following) return link.parentElement.remove();
        link.href = following.href;
        watch(link);
      } catch {
        // The link stays, and works by itself.
      }
    },
    { rootMargin: "800px" },
  );
  observer.observe(link);
}

// Links that narrow the search: the most frequent tags of its images, without those of the query.
async function showFacets() {
  const nav = document.getElementById("facets");
  const query = search.value.trim();
  const { items, total, is } = await callApi("GET", `/v1/images/facets?${new URLSearchParams({ q: query, by: "tag", limit: 16 })}`);
  const shown = document.getElementById("total");
  // The server leaves out a number that takes long to count, and shows none on later pages.
  if (!shown.textContent && !new URLSearchParams(location.search).has("cursor")) {
    shown.textContent = `${is === "estimate" ? "about " : ""}${total.toLocaleString("en")} images`;
  }
  const sort = new URLSearchParams(location.search).get("sort");
  const links = items
    .filter(({ images }) => images < total)
    .slice(0, 10)
    .map(({ value, images }) => {
      const wanted = new URLSearchParams({ q: query ? `(${query}) ${quoteTerm(value)}` : quoteTerm(value), ...(sort && { sort }) });
      return element("a", { class: "tag", href: `${prefix}/?${wanted}` }, `${value} `, element("span", { class: "muted" }, String(images)));
    });
  nav.hidden = links.length === 0;
  nav.replaceChildren(...links);
}

// The page is complete without them.
if (grid) showFacets().catch(() => {});

const more = document.getElementById("more");
if (grid && more) watch(more);
