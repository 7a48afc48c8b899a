// Calls the API as the signed-in account. The cookie of the page is exchanged for a short-lived access token.

export const prefix = document.body.dataset.prefix;
const csrf = document.querySelector('meta[name="csrf-token"]')?.content;
let token = null;

export const isSignedIn = Boolean(csrf);

// Returns a valid access token, a new one half a minute before the last one expires.
export async function accessToken() {
  if (token && Date.now() < token.until) return token.value;
  const response = await fetch(`${prefix}/session/token`, { method: "POST", headers: { "X-CSRF-Token": csrf } });
  if (!response.ok) throw new Error("Your session has ended. Reload the page and sign in again.");
  const issued = await response.json();
  token = { value: issued.access_token, until: Date.now() + (issued.expires_in - 30) * 1000 };
  return token.value;
}

// Returns the parsed body of a response of the API; throws an Error with the detail of its problem document.
export async function callApi(method, path, body) {
  const headers = isSignedIn ? { Authorization: `Bearer ${await accessToken()}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(prefix + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  const parsed = text ? JSON.parse(text) : null;
  if (!response.ok) throw new Error(parsed?.detail ?? `The request failed with status ${response.status}.`);
  return parsed;
}

// Returns a new element with attributes and children; texts become text nodes.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
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
