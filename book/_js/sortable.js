/* Lets a reader sort a table by any column: each heading becomes a button. */
"use strict";
(function () {
  const compare = new Intl.Collator("en", { numeric: true }).compare;

  function text(row, column) {
    return row.cells[column].textContent.trim();
  }

  function sort(table, column, heading) {
    const up = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) { other.removeAttribute("aria-sort"); }
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).sort(function (a, b) {
      const order = compare(text(a, column), text(b, column));
      return up ? order : -order;
    });
    body.append(...rows);
  }

  for (const table of document.querySelectorAll(".faltcon-sortable table")) {
    Array.from(table.tHead.rows[0].cells).forEach(function (heading, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "faltcon-sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", function () { sort(table, column, heading); });
    });
  }
})();
