// Restores images of the trash.

import { callApi, notify, report } from "./session.js";

for (const button of document.querySelectorAll("[data-restore]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await callApi("POST", `/v1/trash/${button.dataset.restore}/restore`, {});
      button.closest("li").remove();
      notify("The image is restored.");
    } catch (error) {
      report(error);
    }
  });
}
