// Shows the picture of a page in full size: zoom by buttons, keys, double click and pinch; pan by arrows and drag.

import { addKey } from "./gallery.js";
import { element } from "./session.js";

const MAX_SCALE = 8;
const STEP = 1.5;

const dialog = document.getElementById("zoom");
const view = document.getElementById("zoom-view");
const level = document.getElementById("zoom-level");
const link = document.querySelector(".picture figure a");
const shown = link.querySelector("img");
const pointers = new Map();
let image = null;
let scale = 1;

// The scale at which the whole picture is visible, at most its own size.
const fit = () => Math.min(view.clientWidth / image.naturalWidth, view.clientHeight / image.naturalHeight, 1);

// Sets the scale, in pixels of the screen by pixels of the picture. The point x, y of the view stays where it is.
function setScale(wanted, x = view.clientWidth / 2, y = view.clientHeight / 2) {
  const next = Math.min(Math.max(wanted, fit()), MAX_SCALE);
  const [left, top] = [view.scrollLeft + x, view.scrollTop + y];
  image.style.width = `${image.naturalWidth * next}px`;
  view.scrollTo(left * (next / scale) - x, top * (next / scale) - y);
  scale = next;
  level.textContent = `${Math.round(100 * scale)} %`;
}

const toggle = (x, y) => setScale(scale > fit() ? fit() : Math.max(1, fit() * 2), x, y);

function open() {
  dialog.showModal();
  view.focus();
  if (image) return image.naturalWidth ? setScale(fit()) : undefined;
  level.textContent = "Loading";
  image = element("img", { alt: shown.alt, draggable: "false" });
  image.addEventListener("load", () => setScale(fit()));
  // Not every browser displays each type, such as HEIC.
  image.addEventListener("error", () => (image.src = shown.src), { once: true });
  image.src = link.href;
  view.append(image);
}

const KEYS = { "+": () => setScale(scale * STEP), "=": () => setScale(scale * STEP), "-": () => setScale(scale / STEP), 0: () => setScale(fit()), 1: () => setScale(1), z: () => dialog.close() };

addKey("z", open);
link.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open();
});
dialog.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key] || !image.naturalWidth) return;
  event.preventDefault();
  KEYS[event.key]();
});
for (const [id, key] of Object.entries({ "zoom-in": "+", "zoom-out": "-", "zoom-fit": "0" })) {
  document.getElementById(id).addEventListener("click", () => image.naturalWidth && KEYS[key]());
}

const offset = (event) => [event.clientX - view.getBoundingClientRect().left, event.clientY - view.getBoundingClientRect().top];

view.addEventListener("dblclick", (event) => image.naturalWidth && toggle(...offset(event)));
view.addEventListener("wheel", (event) => {
  if (!event.ctrlKey || !image.naturalWidth) return;
  event.preventDefault();
  setScale(scale * Math.exp(-event.deltaY / 200), ...offset(event));
}, { passive: false });

// The distance and the middle of two pointers.
function spread() {
  const [[ax, ay], [bx, by]] = [...pointers.values()];
  return { distance: Math.hypot(ax - bx, ay - by) || 1, middle: [(ax + bx) / 2, (ay + by) / 2] };
}

view.addEventListener("pointerdown", (event) => {
  const [x, y] = offset(event);
  if (x >= view.clientWidth || y >= view.clientHeight) return; // on a scroll bar
  view.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, [x, y]);
});
view.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before || !image.naturalWidth) return;
  const now = offset(event);
  if (pointers.size === 2) {
    const { distance } = spread();
    pointers.set(event.pointerId, now);
    const pinched = spread();
    setScale((scale * pinched.distance) / distance, ...pinched.middle);
  } else {
    pointers.set(event.pointerId, now);
    view.scrollBy(before[0] - now[0], before[1] - now[1]);
  }
});
for (const kind of ["pointerup", "pointercancel"]) view.addEventListener(kind, (event) => pointers.delete(event.pointerId));
window.addEventListener("resize", () => dialog.open && image.naturalWidth && setScale(scale));
