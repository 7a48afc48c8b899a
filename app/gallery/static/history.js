// Reverts changes of the history of an image: one entry, or all changes that were made with it.

import { callApi, loadPage, notify, report } from "./session.js";

const REVERT = "/v1/history/revert";

function showButtons() {
  for (const button of document.querySelectorAll("#history [hidden]")) button.hidden = false;
}

// Reads the history of the page again, and returns the tags of the image.
export async function refreshHistory() {
  const page = await loadPage(location.href);
  document.getElementById("history").replaceWith(page.getElementById("history"));
  showButtons();
  return [...page.querySelectorAll("#tags .tag")].map((link) => link.textContent);
}

function describe({ changed, matched, conflicts }) {
  const kept = conflicts.length ? ` Later changes are kept: ${conflicts.length}.` : "";
  return `Revert the changes of ${changed} of ${matched} images?${kept}`;
}

async function revert(selection, showTags) {
  const preview = await callApi("POST", REVERT, { ...selection, dry_run: true });
  if (!preview.changed) throw new Error("Nothing changes: the tags are as before, or later changes are kept.");
  if (selection.batch && !confirm(describe(preview))) return;
  const { changed, batch } = await callApi("POST", REVERT, selection);
  showTags(await refreshHistory());
  notify(`Reverted the changes of ${changed} image${changed === 1 ? "" : "s"}.`, "Undo", async () => {
    try {
      const undone = await callApi("POST", REVERT, { batch });
      showTags(await refreshHistory());
      notify(`Restored the tags of ${undone.changed} image${undone.changed === 1 ? "" : "s"}.`);
    } catch (error) {
      report(error);
    }
  });
}

// `showTags` shows the tags that the image has after a revert.
export function offerReverts(showTags) {
  showButtons();
  document.getElementById("history-section").addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    button.disabled = true;
    const { revert: id, revertBatch: batch } = button.dataset;
    try {
      await revert(batch ? { batch } : { ids: [Number(id)] }, showTags);
    } catch (error) {
      report(error);
    }
    button.disabled = false;
  });
}
