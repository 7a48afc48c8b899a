// Restores images of the trash.

import { callApi, element, notify, report } from "./session.js";

const list = document.querySelector(".files");

for (const button of document.querySelectorAll("[data-restore]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await callApi("POST", `/v1/trash/${button.dataset.restore}/restore`, {});
      button.closest("li").remove();
      if (!list.children.length) list.append(element("li", { class: "muted" }, "No more images on this page."));
      notify("The image is restored.");
    } catch (error) {
      report(error);
    }
  });
}
