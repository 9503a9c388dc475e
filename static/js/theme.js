// The theme switch: sets the attribute and the cookie the server reads, so that no page flashes.

const YEAR_SECONDS = 31536000;

function show(form, theme) {
  if (theme === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
  for (const button of form.querySelectorAll("button[name=theme]")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
}

export function startTheme() {
  const form = document.querySelector("form[data-theme-switch]");
  if (!form) return;
  form.addEventListener("submit", (event) => {
    const theme = event.submitter?.value;
    if (!theme) return;
    event.preventDefault();
    document.cookie = `theme=${theme}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
    show(form, theme);
  });
}
