// Copy buttons: hidden in the page, shown where the clipboard can be used; parts that arrive later too.

const SAID_MILLISECONDS = 2000;

async function copy(button) {
  const label = button.firstChild;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Select it";
    const code = button.parentElement?.querySelector("code");
    if (code) window.getSelection()?.selectAllChildren(code);
  }
  setTimeout(() => { label.textContent = before; }, SAID_MILLISECONDS);
}

function reveal(root) {
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}

export function startCopy() {
  if (!navigator.clipboard) return;
  reveal(document);
  document.addEventListener("htmx:afterSwap", (event) => reveal(event.target));
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (button) copy(button);
  });
}
