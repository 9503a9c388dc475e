// A part that could not be fetched says so where it would have stood; nothing old is left to be taken for new.

const SENTENCE = "No answer came. Check that the program is running and that you are signed in, then try again.";

function tell(event) {
  const place = event.detail?.target ?? event.target;
  if (!(place instanceof Element)) return;
  const note = document.createElement("p");
  note.className = "note bad";
  note.setAttribute("role", "alert");
  note.textContent = SENTENCE;
  place.replaceChildren(note);
}

export function startFailures() {
  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, tell);
  }
}
