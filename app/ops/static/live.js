"use strict";
/* Loads the live metrics every few seconds and shows them. All values are set as text, never as HTML. */

// By minutes of the window. Long windows cost more and change less.
const LIVE_MS = { 15: 3000, 60: 3000, 360: 10000, 1440: 30000 };
const READY_MS = 3000;
const TIMEOUT_MS = 8000;
const BUSIEST = 15;
// The path of PUBLIC_URL, which a proxy removes from each request.
const PREFIX = document.documentElement.dataset.prefix;
const byId = (id) => document.getElementById(id);
const controls = { minutes: byId("minutes"), route: byId("route"), own: byId("own"), with_4xx: byId("with_4xx") };
let paused = false;
let lastSeen = null;
let asked = 0;
let lastRoutes = [];

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function say(text) {
  if (byId("banner").textContent !== text) byId("banner").textContent = text;
}

function clock(time) {
  return time.toISOString().slice(11, 19);
}

async function get(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(TIMEOUT_MS) });
  const body = await answer.json();
  return { status: answer.status, body };
}

/* The URL contains the state of the controls, so that it can be reloaded, bookmarked and shared. */
function query() {
  const wanted = new URLSearchParams();
  if (controls.minutes.value !== "60") wanted.set("minutes", controls.minutes.value);
  if (controls.route.value) wanted.set("route", controls.route.value);
  for (const name of ["own", "with_4xx"]) if (controls[name].checked) wanted.set(name, "true");
  return wanted.toString();
}

function restore() {
  const given = new URLSearchParams(location.search);
  if (given.has("minutes")) controls.minutes.value = given.get("minutes");
  if (controls.minutes.selectedIndex < 0) controls.minutes.value = "60";
  if (given.get("route")) offerRoutes([given.get("route")]);
  controls.route.value = given.get("route") || "";
  for (const name of ["own", "with_4xx"]) controls[name].checked = given.get(name) === "true";
}

function offerRoutes(names) {
  const known = new Set([...controls.route.options].map((option) => option.value));
  for (const name of names) if (!known.has(name)) controls.route.add(new Option(name, name));
}

async function refresh() {
  const number = ++asked;
  let answer;
  try {
    answer = await get(`${PREFIX}/ops/live?${query()}`);
  } catch {
    return outage("The service does not respond.");
  }
  if (number !== asked) return; // a newer request was sent
  if (answer.status === 200) show(answer.body);
  else if (answer.status === 401) location.assign(`${PREFIX}/ops/login?ended=1`);
  else if (answer.body.type === `${PREFIX}/problems/telemetry-unavailable`) {
    outage(`${answer.body.detail} (MongoDB). Requests are still served. Their records wait on disk.`);
  } else outage(answer.body.detail);
}

function outage(text) {
  say(lastSeen ? `${text} What you see is from ${clock(lastSeen)} UTC.` : text);
}

function show(live) {
  say("");
  lastSeen = new Date(live.until);
  byId("updated").dateTime = live.until;
  byId("updated").textContent = clock(lastSeen);
  offerRoutes(live.routes.map((route) => route.name));
  showFigures(live);
  Charts.update(live.chart);
  showRows(document.querySelector('[data-requests="failed"] tbody'), live.failed, (row) => row.event_id, requestCells);
  showRows(document.querySelector('[data-requests="slow"] tbody'), live.slow, (row) => row.event_id, requestCells);
  lastRoutes = live.routes;
  showRoutes();
}

/* Shows the busiest routes whose names contain all words of the filter. */
function showRoutes() {
  const words = byId("find").value.toLowerCase().split(/\s+/);
  const matching = lastRoutes.filter((route) => words.every((word) => route.name.toLowerCase().includes(word)));
  const shown = matching.slice(0, BUSIEST);
  showRows(document.querySelector("#routes tbody"), shown, (row) => row.name, routeCells);
  const hidden = matching.length - shown.length;
  byId("more").textContent = hidden ? `The busiest ${shown.length} of ${matching.length} routes are shown.` : "";
  for (const row of document.querySelectorAll("#routes tbody tr")) {
    const chosen = row.dataset.key === controls.route.value;
    row.classList.toggle("chosen", chosen);
    row.querySelector("button").setAttribute("aria-pressed", String(chosen));
  }
}

function showFigures(live) {
  const { count, server_errors: errors } = live.total;
  const shown = { rate: Charts.rounded(live.rate), count: count.toLocaleString(), errors: errors.toLocaleString() };
  for (const name of ["p50_ms", "p95_ms", "p99_ms"]) shown[name] = Charts.duration(live.total[name]);
  for (const [name, text] of Object.entries(shown)) document.querySelector(`[data-figure="${name}"]`).textContent = text;
  const cell = document.querySelector('[data-figure="errors"]');
  cell.classList.toggle("alarm", errors > 0);
  if (errors) cell.append(" ", element("small", { textContent: share(errors / count) }));
}

function share(part) {
  return part < 0.001 ? "< 0.1 %" : `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`;
}

/* Existing rows keep their elements, and so the focus. */
function showRows(body, rows, keyOf, cellsOf) {
  const old = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  rows.forEach((values, index) => {
    const key = keyOf(values);
    const row = old.get(key) ?? element("tr");
    old.delete(key);
    row.dataset.key = key;
    cellsOf(row, values);
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
  });
  for (const row of old.values()) row.remove();
}

function requestCells(row, values) {
  if (row.cells.length) return; // a request record does not change
  const address = `${PREFIX}/ops/requests/${encodeURIComponent(values.event_id)}?time=${encodeURIComponent(values.time)}`;
  row.append(
    element("td", {}, element("time", { dateTime: values.time, textContent: clock(new Date(values.time)) })),
    element("td", {}, element("span", { className: `status s${Math.floor(values.status / 100)}`, textContent: values.status })),
    element("td", { className: "request" }, element("a", { href: address, textContent: `${values.method} ${values.path}` })),
    element("td", { className: "wide", textContent: values.error_slug ?? "" }),
    element("td", { className: "number", textContent: Charts.duration(values.duration_ms) }),
  );
}

function routeCells(row, values) {
  if (!row.cells.length) newRouteCells(row, values);
  const texts = [
    values.count.toLocaleString(), values.client_errors.toLocaleString(), values.server_errors.toLocaleString(),
    ...["p50_ms", "p95_ms", "p99_ms"].map((name) => Charts.duration(values[name])),
  ];
  texts.forEach((text, index) => {
    row.cells[index + 1].textContent = text;
    row.cells[index + 1].classList.toggle("zero", text === "0");
  });
}

/* All 405s are one series, and so are all unknown paths. Other filters list their requests. */
function listFilter(method, route) {
  if (route === "method-not-allowed") return { status: "405" };
  return method === "OTHER" ? { route } : { method, route };
}

function newRouteCells(row, values) {
  const choose = element("button", { className: "link", textContent: values.name, title: "Show this route only" });
  choose.addEventListener("click", () => {
    controls.route.value = controls.route.value === values.name ? "" : values.name;
    changed();
  });
  const [method, template] = values.name.split(" ", 2);
  const list = element("a", { href: `${PREFIX}/ops/requests?${new URLSearchParams(listFilter(method, template))}`, textContent: "list" });
  list.setAttribute("aria-label", `List the requests to ${values.name}`);
  row.append(element("td", { className: "route" }, choose));
  for (const kind of ["wide", "wide", "", "wide", "", ""]) row.append(element("td", { className: `number ${kind}`.trim() }));
  row.append(element("td", { className: "wide" }, list));
}

async function refreshBackends() {
  let ready;
  try {
    ready = (await get(`${PREFIX}/readyz`)).body;
  } catch {
    ready = { dependencies: {}, telemetry: null };
  }
  for (const chip of document.querySelectorAll("[data-backend]")) {
    const { status, latency_ms: latency } = ready.dependencies[chip.dataset.backend] ?? { status: "unknown" };
    chip.className = status;
    chip.querySelector("b").textContent = status === "up" ? Charts.duration(latency) : status;
  }
  const records = ready.telemetry;
  byId("records").querySelector("b").textContent = records
    ? `${(records.queued + records.spilled).toLocaleString()}${records.dropped ? `, ${records.dropped.toLocaleString()} dropped` : ""}`
    : "unknown";
}

function changed() {
  history.replaceState(null, "", query() ? `${PREFIX}/ops?${query()}` : `${PREFIX}/ops`);
  refresh();
}

async function forever(action, pause) {
  for (;;) {
    if (!paused && !document.hidden) await action();
    await new Promise((resolve) => setTimeout(resolve, pause()));
  }
}

for (const control of Object.values(controls)) control.addEventListener("change", changed);
byId("find").addEventListener("input", showRoutes);
byId("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.currentTarget.setAttribute("aria-pressed", String(paused));
  if (!paused) refresh();
});
restore();
Charts.start();
forever(refresh, () => LIVE_MS[controls.minutes.value]);
forever(refreshBackends, () => READY_MS);
