// Selects images of the grid, and changes them all at once: a dry run first, then the change, with a way back.

import { completeTags } from "./completion.js";
import { callApi, notify, report } from "./session.js";

const grid = document.getElementById("grid");
const bar = document.getElementById("selection");
const start = document.getElementById("select");
const count = document.getElementById("selected");
const selected = new Set();
let last = null;

const idOf = (link) => link.pathname.split("/").pop();

function isSelecting() {
  return !bar.hidden;
}

function show() {
  count.textContent = `${selected.size} selected`;
  for (const link of grid.querySelectorAll("a")) {
    const isSelected = selected.has(idOf(link));
    link.parentElement.classList.toggle("selected", isSelected);
    if (isSelecting()) {
      link.setAttribute("role", "checkbox");
      link.setAttribute("aria-checked", String(isSelected));
    } else {
      link.removeAttribute("role");
      link.removeAttribute("aria-checked");
    }
  }
}

function close() {
  bar.hidden = true;
  start.hidden = false;
  selected.clear();
  show();
}

// With Shift, selects every image from the last one to this one.
function toggle(link, isRange) {
  const links = [...grid.querySelectorAll("a")];
  const [from, to] = [links.indexOf(last), links.indexOf(link)].sort((a, b) => a - b);
  if (isRange && from >= 0) for (const one of links.slice(from, to + 1)) selected.add(idOf(one));
  else if (!selected.delete(idOf(link))) selected.add(idOf(link));
  last = link;
  show();
}

start.hidden = false;
start.addEventListener("click", () => {
  bar.hidden = false;
  start.hidden = true;
  show();
});
document.getElementById("end-selection").addEventListener("click", close);
document.getElementById("select-all").addEventListener("click", () => {
  for (const link of grid.querySelectorAll("a")) selected.add(idOf(link));
  show();
});
grid.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!isSelecting() || !link) return;
  event.preventDefault();
  toggle(link, event.shiftKey);
});
grid.addEventListener("keydown", (event) => {
  const link = event.target.closest("a");
  if (!isSelecting() || !link || event.key !== " ") return;
  event.preventDefault();
  toggle(link, event.shiftKey);
});

// Asks for a dry run, and applies the change if its count is confirmed. Returns the result, or null.
async function change(path, body, what) {
  if (!selected.size) throw new Error("Select at least one image.");
  const wanted = { ids: [...selected], ...body };
  const { changed } = await callApi("POST", path, { ...wanted, dry_run: true });
  if (!changed) throw new Error(`No selected image changes, or you may not change them.`);
  if (!confirm(`${what} ${changed} of ${selected.size} images?`)) return null;
  return callApi("POST", path, wanted);
}

async function changeTags(side) {
  const field = document.getElementById("bulk-tags");
  const names = field.value.split(",").map((name) => name.trim()).filter(Boolean);
  if (!names.length) throw new Error("Enter at least one tag.");
  const result = await change("/v1/images/tags", { [side]: names }, side === "add" ? "Add the tags to" : "Remove the tags from");
  if (!result) return;
  field.value = "";
  notify(`Changed ${result.changed} images.`, "Undo", async () => {
    try {
      const undone = await callApi("POST", "/v1/history/revert", { batch: result.batch });
      notify(`Reverted ${undone.changed} changes.`);
    } catch (error) {
      report(error);
    }
  });
}

async function changeVisibility(visibility) {
  const result = await change("/v1/images/bulk", { action: "set_visibility", visibility }, `Make ${visibility}:`);
  if (result) location.reload();
}

async function moveToTrash() {
  const ids = [...selected];
  const result = await change("/v1/images/bulk", { action: "delete" }, "Move to the trash:");
  if (!result) return;
  const removed = [...grid.querySelectorAll("a")].filter((link) => selected.has(idOf(link))).map((link) => link.parentElement);
  for (const item of removed) item.hidden = true;
  close();
  notify(`${result.changed} images are in the trash.`, "Undo", async () => {
    try {
      const restored = await callApi("POST", "/v1/images/bulk", { ids, action: "restore" });
      for (const item of removed) item.hidden = false;
      notify(`Restored ${restored.changed} images.`);
    } catch (error) {
      report(error);
    }
  });
}

const ACTIONS = {
  "bulk-add": () => changeTags("add"),
  "bulk-remove": () => changeTags("remove"),
  "bulk-private": () => changeVisibility("private"),
  "bulk-public": () => changeVisibility("public"),
  "bulk-delete": moveToTrash,
};
for (const [id, run] of Object.entries(ACTIONS)) {
  document.getElementById(id).addEventListener("click", () => run().catch(report));
}
completeTags(document.getElementById("bulk-tags"), /,/u, (name) => name);
