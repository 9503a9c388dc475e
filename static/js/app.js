// What only a script can do: remember the theme without a round trip, copy a line, open a bar, put focus on
// errors, notice what was typed before the scripts came. Every page works without it.

import { startTheme } from "./theme.js";
import { startCopy } from "./copy.js";
import { startFailures } from "./failures.js";

function startBars() {
  document.addEventListener("click", (event) => {
    const bar = event.target instanceof Element ? event.target.closest("[data-href]") : null;
    if (bar) window.location.assign(bar.getAttribute("data-href"));
  });
}

function startFocus() {
  document.querySelector("[data-take-focus]")?.focus();
}

function startAutosubmit() {
  for (const form of document.querySelectorAll("form[data-autosubmit]")) {
    form.addEventListener("change", () => form.requestSubmit());
    for (const button of form.querySelectorAll("button")) button.hidden = true;
  }
}

// A field moved before htmx listened, or filled again by the browser on the way back, is sent now.
function startCatchUp() {
  window.addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form[hx-get] input[value]")) {
      if (field.value !== field.defaultValue) field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
}

startTheme();
startCopy();
startFailures();
startBars();
startFocus();
startAutosubmit();
startCatchUp();
