// Dark and light, search, and what can be scrolled by keyboard. Works from the disk: the index is a script.
"use strict";
const here = document.currentScript;
document.documentElement.classList.replace("no-js", "js");

// ------------------------------------------------------------------------------------------------ dark and light
const choices = [...document.querySelectorAll('[data-md-component="palette"] input')];
function paint(choice) {
  for (const part of ["media", "scheme", "primary", "accent"])
    document.body.setAttribute("data-md-color-" + part, choice.getAttribute("data-md-color-" + part));
  choice.checked = true;
  for (const one of choices) {
    // A label after each choice selects the next one; only that of the present choice is shown.
    const label = one.nextElementSibling;
    if (label && label.tagName === "LABEL") label.hidden = one !== choice;
  }
}
if (choices.length) {
  const kept = __md_get("__palette");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  paint(choices[kept ? kept.index : Number(dark.matches)] || choices[0]);
  dark.addEventListener("change", () => __md_get("__palette") || paint(choices[Number(dark.matches)]));
  choices.forEach((choice, index) => choice.addEventListener("change", () => {
    paint(choice);
    const color = Object.fromEntries(["media", "scheme", "primary", "accent"].map(
      part => [part, choice.getAttribute("data-md-color-" + part)]));
    __md_set("__palette", { index, color });
  }));
}

// --------------------------------------------------------------------------------------------------------- search
const field = document.getElementById("fw-search");
const found = document.getElementById("fw-found");
let index = null; // of every section: where it is, its title, its text, and both in small letters

function load() {
  if (index) return;
  index = [];
  const script = document.createElement("script");
  script.src = here.dataset.index;
  script.onload = () => {
    const plain = document.createElement("template");
    index = __index.items.map(item => {
      plain.innerHTML = item.text; // never shown: only its text is read
      const text = plain.content.textContent.replace(/\s+/g, " ");
      plain.innerHTML = item.title;
      const title = plain.content.textContent;
      return { to: item.location, title, text, small: text.toLowerCase(), head: title.toLowerCase(), path: item.path || [] };
    });
    show();
  };
  document.head.append(script);
}

// Every word must occur; those in the title weigh most, then those that begin a word.
function score(item, words) {
  let sum = 0;
  for (const word of words) {
    const count = item.small.split(word).length - 1;
    if (item.head.includes(word)) sum += item.head === word ? 40 : 20;
    else if (!count) return 0;
    sum += Math.min(count, 5) + (item.small.includes(" " + word) ? 2 : 0);
  }
  return sum;
}

function excerpt(item, words) {
  const at = Math.max(0, Math.min(...words.map(word => item.small.indexOf(word)).filter(at => at >= 0).concat(1e9)) - 40);
  const from = at > item.text.length ? 0 : at;
  return (from ? "… " : "") + item.text.slice(from, from + 140) + (item.text.length > from + 140 ? " …" : "");
}

function show() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  found.hidden = !words.length;
  const hits = index.map(item => [score(item, words), item]).filter(hit => hit[0]).sort((a, b) => b[0] - a[0]);
  found.querySelector("p").textContent = !index.length ? "Loading …"
    : hits.length ? `${hits.length} ${hits.length === 1 ? "section" : "sections"}` : "Nothing found";
  found.querySelector("ol").replaceChildren(...hits.slice(0, 12).map(([, item]) => {
    const entry = document.createElement("li"), link = document.createElement("a"), text = document.createElement("p");
    link.href = here.dataset.base + "/" + item.to;
    link.textContent = item.title;
    text.textContent = excerpt(item, words);
    entry.append(link, text);
    return entry;
  }));
}

field.addEventListener("focus", load);
field.addEventListener("input", () => { load(); show(); });
document.addEventListener("keydown", event => {
  const typing = event.target.closest("input, textarea");
  if ((event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing)) {
    event.preventDefault();
    field.focus();
  } else if (event.key === "Escape") found.hidden = true;
  else if (event.key === "Enter" && event.target === field) found.querySelector("a")?.click();
  else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.closest(".fw-search") && !found.hidden) {
    event.preventDefault();
    const stops = [field, ...found.querySelectorAll("a")];
    stops[stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }
});
document.addEventListener("click", event => { if (!event.target.closest(".fw-search")) found.hidden = true; });

// ------------------------------------------------------------------------------------- wide tables, row by row
// A table wider than its page is shown row by row, each cell beside its heading, so that none is cut off.
const tables = [...document.querySelectorAll("article table")];
for (const table of tables) {
  const headings = [...table.querySelectorAll("thead th")].map(heading => heading.textContent);
  for (const row of table.tBodies[0]?.rows || [])
    [...row.cells].forEach((cell, column) => cell.setAttribute("data-label", headings[column] || ""));
}
function fitTables() {
  for (const table of tables) {
    table.removeAttribute("data-stacked");
    if (table.scrollWidth > table.clientWidth) table.setAttribute("data-stacked", "");
  }
}
fitTables();
addEventListener("resize", fitTables);
document.addEventListener("toggle", fitTables, true);

// ------------------------------------------------------------------------------- wide tables and code, by keyboard
for (const wide of document.querySelectorAll(".md-typeset table, .md-typeset pre > code"))
  if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;

// -------------------------------------------------------------------------------------------------------- sorting
// A click, or Enter, on the heading of a table with more than three rows sorts by that column; once more, backwards.
for (const table of document.querySelectorAll("article table")) {
  const body = table.tBodies[0], headings = [...table.querySelectorAll("thead th")];
  if (!body || body.rows.length < 4) continue;
  headings.forEach((heading, column) => {
    heading.tabIndex = 0;
    heading.setAttribute("role", "columnheader");
    const sort = () => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach(one => one.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = row => row.cells[column] ? row.cells[column].textContent.trim() : "";
      const number = text => parseFloat(text.replace(/,/g, "").replace(/^[^\d.+-]+/, ""));
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)], [p, q] = [number(x), number(y)];
        return (isNaN(p) || isNaN(q) ? x.localeCompare(y) : p - q) * (up ? 1 : -1);
      });
      body.append(...rows);
    };
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
  });
}
