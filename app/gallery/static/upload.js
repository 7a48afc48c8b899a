// Uploads files by drag and drop, paste and choosers. Each upload resumes after a broken connection.

import { accessToken, callApi, element, prefix, report } from "./session.js";
import { completeTags } from "./completion.js";

const PARALLEL = 3;
const RETRY_DELAYS_MS = [0, 1000, 3000, 5000, 10000, 20000];
const TYPES = /^image\/(jpeg|png|webp|gif|avif|heic|heif)$|^$/;

const form = document.getElementById("upload");
const list = document.getElementById("files");
const waiting = [];
let running = 0;

async function digest(file) {
  const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// A row of the list, with the progress of its file.
function addRow(file) {
  const progress = element("progress", { max: String(file.size), value: "0", "aria-label": `Progress of ${file.name}` });
  const state = element("span", { class: "state", role: "status" }, "Waiting");
  const pause = element("button", { class: "quiet", type: "button" }, "Pause");
  pause.disabled = true;
  const row = element("li", {}, element("span", { class: "name" }, file.name), progress, state, pause);
  list.append(row);
  return { row, progress, state, pause };
}

function finish(shown, text, path) {
  shown.pause.remove();
  shown.progress.remove();
  shown.state.replaceChildren(path ? element("a", { href: `${prefix}/i/${path.split("/").pop()}` }, text) : text);
  running -= 1;
  startNext();
}

async function start({ file, shown, tags, visibility }) {
  shown.state.textContent = "Checking";
  const metadata = { filename: file.name, tags, visibility, on_conflict: "rename" };
  // The digest needs the whole file in memory; without it, a copy is sent once more. Only TLS pages have it.
  if (crypto.subtle && file.size < 64 * 1024 * 1024) {
    metadata.sha256 = await digest(file);
    const found = await callApi("POST", "/v1/images/lookup", { sha256: [metadata.sha256] });
    if (found.items.length) {
      const { image } = found.items[0];
      const names = tags.split(",").map((name) => name.trim()).filter(Boolean);
      if (names.length) await callApi("POST", `${image}/tags`, { tags: names });
      return finish(shown, "Stored already", image);
    }
  }
  const upload = new tus.Upload(file, {
    endpoint: `${prefix}/v1/uploads`,
    retryDelays: RETRY_DELAYS_MS,
    chunkSize: 16 * 1024 * 1024,
    metadata,
    removeFingerprintOnSuccess: true,
    onBeforeRequest: async (request) => request.setHeader("Authorization", `Bearer ${await accessToken()}`),
    onProgress: (sent) => {
      shown.progress.value = sent;
      shown.state.textContent = `${Math.floor((100 * sent) / file.size)} %`;
    },
    onSuccess: ({ lastResponse }) => finish(shown, "Stored", lastResponse?.getHeader("Content-Location")),
    onError: (error) => finish(shown, detailOf(error)),
  });
  let isPaused = false;
  shown.pause.disabled = false;
  shown.pause.addEventListener("click", () => {
    isPaused = !isPaused;
    shown.pause.textContent = isPaused ? "Resume" : "Pause";
    if (isPaused) upload.abort();
    else upload.start();
  });
  const [previous] = await upload.findPreviousUploads();
  if (previous) upload.resumeFromPreviousUpload(previous);
  upload.start();
}

function detailOf(error) {
  try {
    return JSON.parse(error.originalResponse.getBody()).detail;
  } catch {
    return "The connection failed. Add the file again to continue.";
  }
}

function startNext() {
  while (running < PARALLEL && waiting.length) {
    const next = waiting.shift();
    running += 1;
    start(next).catch((error) => finish(next.shown, error.message));
  }
}

function add(files) {
  const tags = form.elements.tags.value;
  const visibility = form.elements.visibility.checked ? "private" : "public";
  for (const file of files) {
    const shown = addRow(file);
    if (!TYPES.test(file.type)) {
      running += 1;
      finish(shown, "Not an image of a supported type");
    } else waiting.push({ file, shown, tags, visibility });
  }
  startNext();
}

// Files of dropped folders, in any depth. Entries of a folder come in batches.
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return found;
    for (const one of batch) found.push(...(await filesOf(one)));
  }
}

form.hidden = false;
document.getElementById("chosen-folder").webkitdirectory = true;
completeTags(form.elements.tags, /,/u, (name) => name);
form.addEventListener("submit", (event) => event.preventDefault());
for (const chooser of form.querySelectorAll('input[type="file"]')) {
  chooser.addEventListener("change", () => {
    add(chooser.files);
    chooser.value = "";
  });
}
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) add(event.clipboardData.files);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("over");
});
document.addEventListener("dragleave", () => form.classList.remove("over"));
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  form.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  try {
    if (entries.length) for (const entry of entries) add(await filesOf(entry));
    else add(event.dataTransfer.files);
  } catch (error) {
    report(error);
  }
});
