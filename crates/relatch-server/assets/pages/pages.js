// What scripts add to the pages; every page works without.
"use strict";
(() => {
  const words = document.currentScript.dataset;

  // A mailed code stands behind the `#`. It moves into the form, and leaves the address and the history.
  const code = document.getElementById("token");
  if (code && location.hash.startsWith("#rll_")) {
    code.value = location.hash.slice(1);
    history.replaceState(null, "", location.pathname + location.search);
    document.getElementById("token-field").hidden = true;
  } else if (code && code.value && !code.hasAttribute("aria-invalid")) {
    document.getElementById("token-field").hidden = true;
  }

  const drawing = (paths) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    for (const d of paths) {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", d);
      svg.append(path);
    }
    return svg;
  };
  const eye = ["M2 12s3.5-7 10-7 10 7 10 7-3.5 7-10 7-10-7-10-7z", "M12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6z"];

  for (const input of document.querySelectorAll("input[type=password]")) {
    const button = document.createElement("button");
    const tell = () => {
      const hidden = input.type === "password";
      button.setAttribute("aria-label", hidden ? words.show : words.hide);
      button.replaceChildren(drawing(hidden ? eye : [...eye, "M3 3l18 18"]));
    };
    button.type = "button";
    button.className = "reveal";
    button.addEventListener("click", () => {
      input.type = input.type === "password" ? "text" : "password";
      tell();
    });
    // Browsers keep what was typed in a text field; a password must not become one.
    input.form.addEventListener("submit", () => (input.type = "password"));
    tell();
    input.parentElement.classList.add("has-reveal");
    input.after(button);
  }

  // In the reader's own way, as far as it is the page's language.
  const language = document.documentElement.lang;
  const locale = navigator.languages.find((one) => one.split("-")[0] === language) ?? language;
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.valueOf())) {
      const style = { dateStyle: "medium", ...(!("day" in time.dataset) && { timeStyle: "short" }) };
      time.textContent = at.toLocaleString(locale, style);
    }
  }

  document.getElementById("summary")?.focus();
})();
