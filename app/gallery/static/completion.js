// Completes the last term of a field of tags. See "Editable Combobox With List Autocomplete" of the ARIA patterns.

import { callApi, element } from "./session.js";

const DELAY_MS = 120;
const MAX_NAMES = 8;

// `separator` matches the characters that end a term; `quote` returns a name as a term.
export function completeTags(input, separator, quote) {
  const list = element("ul", { class: "options", role: "listbox", id: `${input.id}-options`, "aria-label": "Tags" });
  list.hidden = true;
  input.after(list);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id })) input.setAttribute(name, value);
  let timer = 0;
  let latest = 0;
  let chosen = -1;

  const close = () => {
    list.hidden = true;
    list.replaceChildren();
    chosen = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };

  // The start of the last term before the caret.
  const start = () => {
    const before = input.value.slice(0, input.selectionStart);
    let at = before.length;
    while (at > 0 && !separator.test(before[at - 1])) at -= 1;
    return at;
  };

  const take = (name) => {
    const from = start();
    const tail = input.value.slice(input.selectionStart).trimStart();
    const head = `${input.value.slice(0, from)}${quote(name)}`;
    input.value = tail ? `${head} ${tail}` : head;
    input.setSelectionRange(head.length, head.length);
    close();
    input.focus();
  };

  const show = (tags) => {
    close();
    tags.forEach((tag, index) => {
      const option = element("li", { role: "option", id: `${list.id}-${index}`, "aria-selected": "false" }, element("span", {}, tag.name), element("span", { class: "muted" }, String(tag.images)));
      option.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        take(tag.name);
      });
      option.dataset.name = tag.name;
      list.append(option);
    });
    list.hidden = tags.length === 0;
    input.setAttribute("aria-expanded", String(tags.length > 0));
  };

  const look = async () => {
    const request = ++latest;
    const term = input.value.slice(start(), input.selectionStart).replace(/^-/, "").trim();
    if (!term || term.includes(":") || term.includes('"')) return close();
    try {
      const page = await callApi("GET", `/v1/tags?${new URLSearchParams({ prefix: term, limit: MAX_NAMES })}`);
      if (request === latest && document.activeElement === input) show(page.items);
    } catch {
      close();
    }
  };

  const move = (step) => {
    const options = [...list.children];
    options[chosen]?.setAttribute("aria-selected", "false");
    chosen = (chosen + step + options.length) % options.length;
    options[chosen].setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", options[chosen].id);
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, DELAY_MS);
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(chosen < 0 ? 0 : -1);
    else if (event.key === "Escape") close();
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(list.children[chosen].dataset.name);
    else return;
    event.preventDefault();
  });
}

// Returns a tag as a term of the query language.
export function quoteTerm(name) {
  return /^[\p{L}\p{N}_.][\p{L}\p{N}_.-]*$/u.test(name) && !/^(or|and|not)$/i.test(name) ? name : `"${name}"`;
}
