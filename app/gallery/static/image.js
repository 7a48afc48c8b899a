// Changes one image on its page: tags, visibility, trash. Shares its file.

import { completeTags } from "./completion.js";
import { offerReverts, refreshHistory } from "./history.js";
import { callApi, copyText, element, isSignedIn, notify, prefix, report, thumbnail } from "./session.js";

const picture = document.querySelector("[data-id]");
const path = `/v1/images/${picture.dataset.id}`;
const tags = document.getElementById("tags");
const canEdit = "canEdit" in picture.dataset;

function showTags(names) {
  const items = names.map((name) => {
    const link = element("a", { class: "tag", href: `${prefix}/?${new URLSearchParams({ q: `"${name}"` })}` }, name);
    if (!canEdit) return element("li", {}, link);
    const button = element("button", { class: "remove", type: "button", "aria-label": `Remove the tag ${name}` }, "×");
    button.addEventListener("click", () => removeTag(name).catch(report));
    return element("li", {}, link, button);
  });
  tags.replaceChildren(...(items.length ? items : [element("li", { class: "muted" }, "No tags")]));
}

// `source` is the one of the events in the history.
async function addTags(names, source = "hand") {
  const before = new Set((await callApi("GET", path)).tags);
  const image = await callApi("POST", `${path}/tags`, { tags: names, source });
  showTags(image.tags);
  refreshHistory().catch(() => {});
  const added = image.tags.filter((name) => !before.has(name));
  notify(added.length ? `Added ${added.join(", ")}.` : "The image has these tags already.");
}

async function removeTag(name) {
  const image = await callApi("DELETE", `${path}/tags/${encodeURIComponent(name)}`);
  showTags(image.tags);
  refreshHistory().catch(() => {});
  if (image.tags.includes(name)) return notify(`Another tag implies ${name}.`);
  notify(`Removed ${name}.`, "Undo", () => addTags([name]).catch(report));
}

// Suggested tags, each of which one click adds.
async function suggestTags() {
  const row = document.getElementById("suggestions");
  const { items } = await callApi("GET", `${path}/suggested-tags?limit=6`);
  row.hidden = items.length === 0;
  row.replaceChildren(
    ...items.map(({ tag }) => {
      const button = element("button", { class: "suggestion", type: "button" }, `+ ${tag}`);
      button.addEventListener("click", async () => {
        try {
          await addTags([tag], "suggestion");
          button.remove();
        } catch (error) {
          report(error);
        }
      });
      return button;
    }),
  );
}

async function showSimilar() {
  const section = document.getElementById("similar");
  const { items } = await callApi("GET", `${path}/similar?limit=12`);
  section.hidden = items.length === 0;
  section.querySelector("ul").replaceChildren(...items.map(({ image }) => thumbnail(image)));
}

async function share() {
  const { url, expires_at: until } = await callApi("GET", `${path}/url?expires_in=3600`);
  const field = document.getElementById("shared-link");
  field.value = url;
  document.getElementById("shared-until").textContent = new Date(until).toLocaleTimeString();
  document.getElementById("shared").hidden = false;
  field.select();
  notify((await copyText(url)) ? "The link is copied. It cannot be revoked." : "Copy the selected link. It cannot be revoked.");
}

const shareButton = document.getElementById("share");
shareButton.hidden = false;
shareButton.addEventListener("click", () => share().catch(report));

// What is missing here is only an addition to the page.
showSimilar().catch(() => {});

if (isSignedIn) {
  const form = document.getElementById("add-tags");
  form.hidden = false;
  completeTags(form.elements.tags, /,/u, (name) => name);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const names = form.elements.tags.value.split(",").map((name) => name.trim()).filter(Boolean);
    if (!names.length) return;
    try {
      await addTags(names);
      form.reset();
    } catch (error) {
      report(error);
    }
  });
  suggestTags().catch(() => {});
}
// Hides the image and its history while it is in the trash.
function setHidden(isHidden) {
  for (const part of [picture, document.getElementById("history-section")]) part.hidden = isHidden;
}

if (canEdit) {
  showTags([...tags.querySelectorAll(".tag")].map((link) => link.textContent));
  offerReverts(showTags);
  const actions = document.getElementById("actions");
  actions.hidden = false;
  document.getElementById("visibility").addEventListener("click", async (event) => {
    try {
      await callApi("PATCH", path, { visibility: event.target.dataset.to });
      location.reload();
    } catch (error) {
      report(error);
    }
  });
  document.getElementById("delete").addEventListener("click", async () => {
    try {
      await callApi("DELETE", path);
      setHidden(true);
      notify("The image is in the trash.", "Undo", async () => {
        try {
          await callApi("POST", `/v1/trash/${picture.dataset.id}/restore`, {});
          setHidden(false);
          notify("The image is restored.");
        } catch (error) {
          report(error);
        }
      });
    } catch (error) {
      report(error);
    }
  });
}
