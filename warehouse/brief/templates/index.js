"use strict";
const body = document.querySelector("tbody");
const rows = [...body.rows];
const find = document.getElementById("find");
const risk = document.getElementById("risk");
const told = document.getElementById("told");
function filter() {
  const words = find.value.trim().toLowerCase();
  let shown = 0;
  for (const row of rows) {
    const fits = row.dataset.text.includes(words) && Number(row.dataset.severity) >= Number(risk.value);
    row.hidden = !fits;
    shown += fits;
  }
  told.textContent = shown + " of " + rows.length + " tickers";
}
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const isText = head.dataset.kind === "text";
    const sorted = head.getAttribute("aria-sort");
    const falls = sorted ? sorted !== "descending" : !isText;
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falls ? "descending" : "ascending");
    const value = (row) => row.cells[head.cellIndex].dataset.value ?? "";
    rows.sort((a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isText ? x.localeCompare(y) : Number(x) - Number(y);
      return falls ? -order : order;
    });
    body.append(...rows);
  });
}
find.addEventListener("input", filter);
risk.addEventListener("change", filter);
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
filter();
