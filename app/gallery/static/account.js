// Changes the account on its page: address, password, sign-in methods, API keys and sessions.

import { callApi, copyText, notify, postPage, prefix, report } from "./session.js";

const RECENT_SIGN_IN = "recent-sign-in-required";

for (const one of document.querySelectorAll("[data-script]")) one.hidden = false;

function fail(error) {
  if (error.slug !== RECENT_SIGN_IN) return report(error);
  notify("This needs a sign-in within the last ten minutes.", "Sign in again", () => {
    location.assign(`${prefix}/sign-in?next=/account`);
  });
}

// Runs `change` with the fields of the form, and disables its button meanwhile: a second click sends nothing.
function onSubmit(id, change) {
  const form = document.getElementById(id);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await change(new FormData(form), form);
    } catch (error) {
      fail(error);
    }
    button.disabled = false;
  });
}

// Runs `change` with the value of the attribute at a click on a button that has it.
function onClick(attribute, change) {
  for (const button of document.querySelectorAll(`[data-${attribute}]`)) {
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await change(button.dataset[attribute], button);
      } catch (error) {
        fail(error);
      }
      button.disabled = false;
    });
  }
}

onSubmit("change-email", async (fields) => {
  const wanted = { email: fields.get("email") };
  if (fields.has("current_password")) wanted.current_password = fields.get("current_password");
  await callApi("PATCH", "/v1/users/me", wanted);
  location.reload();
});

onSubmit("change-password", async (fields, form) => {
  const wanted = { password: fields.get("password"), keep_api_keys: fields.has("keep_api_keys") };
  if (fields.has("current_password")) wanted.current_password = fields.get("current_password");
  await callApi("PATCH", "/v1/users/me", wanted);
  for (const other of document.querySelectorAll("#sessions li:not([data-current])")) other.remove();
  document.getElementById("end-others")?.remove();
  if (!wanted.keep_api_keys) document.getElementById("api-keys").replaceChildren();
  form.reset();
  form.closest("details").open = false;
  notify("The password is set. All other sessions have ended.");
});

onSubmit("create-key", async (fields, form) => {
  const wanted = { name: fields.get("name"), scopes: fields.getAll("scopes") };
  if (!wanted.scopes.length) throw new Error("Choose at least one scope.");
  if (fields.get("expiry")) wanted.expires_at = `${fields.get("expiry")}T23:59:59Z`;
  if (fields.get("current_password")) wanted.current_password = fields.get("current_password");
  try {
    const created = await callApi("POST", "/v1/users/me/api-keys", wanted);
    const value = document.getElementById("new-key-value");
    value.value = created.key;
    document.getElementById("new-key").hidden = false;
    form.reset();
    form.closest("details").open = false;
    value.focus();
    value.select();
    notify("The key is created. Reload the page to see it in the list.");
  } catch (error) {
    const password = document.getElementById("key-password-field");
    if (error.slug !== RECENT_SIGN_IN || !password) throw error;
    password.hidden = false;
    password.querySelector("input").required = true;
    password.querySelector("input").focus();
  }
});

document.getElementById("copy-key").addEventListener("click", async () => {
  const value = document.getElementById("new-key-value");
  notify((await copyText(value.value)) ? "Copied." : "Copy the selected text.");
  value.select();
});

document.getElementById("verify-email")?.addEventListener("click", async (event) => {
  try {
    await callApi("POST", "/v1/users/me/email-verification");
    event.target.remove();
    notify("A mail with a link is on its way.");
  } catch (error) {
    report(error);
  }
});

onClick("revoke", async (id, button) => {
  if (!confirm("Revoke the key? Its clients are refused at once.")) return;
  await callApi("DELETE", `/v1/users/me/api-keys/${id}`);
  button.closest("li").remove();
  notify("The key is revoked.");
});

onClick("end", async (id, button) => {
  await callApi("DELETE", `/v1/users/me/sessions/${id}`);
  button.closest("li").remove();
  notify("The session has ended.");
});

onClick("unlink", async (provider) => {
  if (!confirm(`Unlink ${provider}? All other sessions end, and the address becomes unverified.`)) return;
  await callApi("DELETE", `/v1/users/me/identities/${encodeURIComponent(provider)}`);
  location.reload();
});

// The page, not the API, starts the flow: its end is the cookie of a new session.
onClick("link", async (provider) => {
  const { authorize_url: url } = await postPage(`/account/identities/${encodeURIComponent(provider)}`);
  location.assign(url);
});
