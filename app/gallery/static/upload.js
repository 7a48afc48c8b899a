// Uploads files by drag and drop, paste and choosers. Each upload resumes after a broken connection.

import { completeTags } from "./completion.js";
import { findCopies } from "./copies.js";
import { accessToken, callApi, element, prefix, report, thumbnail } from "./session.js";

const PARALLEL = 3;
const RETRY_DELAYS_MS = [0, 1000, 3000, 5000, 10000, 20000];
const TYPES = /^image\/(jpeg|png|webp|gif|avif|heic|heif)$|^$/;

const form = document.getElementById("upload");
const list = document.getElementById("files");
const waiting = [];
const undecided = new Set();
let running = 0;

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

const namesOf = (tags) => tags.split(",").map((name) => name.trim()).filter(Boolean);

// Shows the stored copies with the choice for each file and, for several files, for all. Meanwhile others are sent.
function ask(item, { images, isSame, digest }) {
  const { file, shown, tags } = item;
  const question = isSame ? `Stored already.${namesOf(tags).length ? " Skip adds the tags to it." : ""}` : "Similar pictures are stored.";
  const skip = element("button", { class: "quiet", type: "button", "aria-label": `Skip ${file.name}` }, "Skip");
  const force = element("button", { class: "quiet", type: "button", "aria-label": `Upload ${file.name} all the same` }, "Upload all the same");
  const copies = element("ul", { class: "grid copies", "aria-label": `Stored copies of ${file.name}` }, ...images.map(thumbnail));
  shown.state.replaceChildren(question);
  shown.pause.hidden = true;
  shown.progress.hidden = true;
  shown.row.append(copies, skip, force);
  const decide = (run) => () => {
    undecided.delete(item);
    showUndecided();
    for (const one of [copies, skip, force]) one.remove();
    shown.state.textContent = "Waiting";
    waiting.unshift({ shown, run });
    startNext();
  };
  item.skip = decide(async () => {
    if (isSame && namesOf(tags).length) await callApi("POST", `/v1/images/${images[0].id}/tags`, { tags: namesOf(tags) });
    finish(shown, isSame ? "Stored already" : "Skipped", images[0].id);
  });
  // Without the digest, for which the API would return the stored image.
  item.send = decide(() => send(item, isSame ? null : digest));
  skip.addEventListener("click", item.skip);
  force.addEventListener("click", item.send);
  undecided.add(item);
  showUndecided();
  running -= 1;
  startNext();
}

function showUndecided() {
  const bar = document.getElementById("copies");
  bar.hidden = undecided.size < 2;
  bar.querySelector("span").textContent = `${undecided.size} files have stored copies.`;
}

async function start(item) {
  item.shown.state.textContent = "Checking";
  const copies = await findCopies(item.file);
  if (copies.images.length) ask(item, copies);
  else await send(item, copies.digest);
}

// A file with the digest of a stored one is not sent.
async function send({ file, shown, tags, visibility }, digest) {
  const metadata = { filename: file.name, tags, visibility, on_conflict: "rename", ...(digest && { sha256: digest }) };
  shown.pause.hidden = false;
  shown.progress.hidden = false;
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
    next.run().catch((error) => finish(next.shown, error.message));
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
    } else waiting.push({ shown, run: () => start({ file, shown, tags, visibility }) });
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

for (const [id, choice] of [["skip-copies", "skip"], ["send-copies", "send"]]) {
  document.getElementById(id).addEventListener("click", () => [...undecided].forEach((item) => item[choice]()));
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
