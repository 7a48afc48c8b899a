// Calls the API as the signed-in account. The cookie of the page is exchanged for a short-lived access token.

export const prefix = document.body.dataset.prefix;
const csrf = document.querySelector('meta[name="csrf-token"]')?.content;
let token = null;
const ENDED = "Your session has ended. Reload the page and sign in again.";

export const isSignedIn = Boolean(csrf);

// Returns the parsed body of a response; throws an Error with the detail and the slug of its problem document.
async function read(response) {
  const text = await response.text();
  let parsed = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    // An error page of a proxy.
  }
  if (response.ok) return parsed;
  const detail = parsed?.detail ?? `The request failed with status ${response.status}.`;
  throw Object.assign(new Error(detail), { slug: parsed?.type?.split("/").pop(), status: response.status });
}

// Sends a change to a page of the gallery, which the cookie authenticates.
export async function postPage(path) {
  return read(await fetch(prefix + path, { method: "POST", headers: { "X-CSRF-Token": csrf } }));
}

// Returns a valid access token, a new one half a minute before the last one expires.
export async function accessToken() {
  if (token && Date.now() < token.until) return token.value;
  try {
    const issued = await postPage("/session/token");
    token = { value: issued.access_token, until: Date.now() + (issued.expires_in - 30) * 1000 };
  } catch (error) {
    if (error.status !== 401 && error.status !== 403) throw error;
    throw new Error(ENDED);
  }
  return token.value;
}

// Calls the API. A body that is a form is sent as it is, any other one as JSON.
export async function callApi(method, path, body) {
  const headers = isSignedIn ? { Authorization: `Bearer ${await accessToken()}` } : {};
  const isForm = body instanceof FormData;
  if (body !== undefined && !isForm) headers["Content-Type"] = "application/json";
  const response = await fetch(prefix + path, { method, headers, body: isForm ? body : body && JSON.stringify(body) });
  if (isSignedIn && response.status === 401) throw new Error(ENDED);
  return read(response);
}

// Returns whether the text is in the clipboard. Only TLS pages may write to it.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

// The page as a document. `responseType` parses it without scripts and without a Trusted Types sink.
export function loadPage(url) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.responseType = "document";
    request.addEventListener("load", () => (request.status === 200 && request.response ? resolve(request.response) : reject(new Error("The page is not available."))));
    request.addEventListener("error", () => reject(new Error("The page is not available.")));
    request.open("GET", url);
    request.send();
  });
}

// Returns a new element with attributes and children; texts become text nodes.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Returns an item of a list of images, with a link to the image.
export function thumbnail(image) {
  const base = image.visibility === "private" ? `${prefix}/i/${image.id}` : `${prefix}/v1/images/${image.id}`;
  const picture = element("img", { src: `${base}/thumbnail?size=320`, width: image.width, height: image.height, alt: image.name, loading: "lazy" });
  const tenths = Math.round(10 * Math.min(Math.max(image.width / image.height, 0.4), 4));
  return element("li", { class: `r${tenths}` }, element("a", { href: `${prefix}/i/${image.id}` }, picture));
}

// Shows a message in the live region of the page, with an optional action such as Undo.
export function notify(message, action, run) {
  const region = document.getElementById("messages");
  region.replaceChildren(element("span", {}, message));
  if (action) {
    const button = element("button", { class: "quiet", type: "button" }, action);
    button.addEventListener("click", () => {
      region.replaceChildren();
      run();
    });
    region.append(button);
  }
}

export function report(error) {
  notify(error.message);
}
