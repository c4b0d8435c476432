"use strict";
{
  const { evidence, names, targets } = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const arabic = () => root.dataset.ui === "ar";
  const say = (ar, en) => (arabic() ? ar : en);
  const name = (label) => (names[label] ? names[label][arabic() ? 0 : 1] : label);

  const lang = document.getElementById("lang");
  lang.addEventListener("click", () => {
    root.dataset.ui = arabic() ? "en" : "ar";
    root.lang = root.dataset.ui;
    root.dir = arabic() ? "rtl" : "ltr";
    lang.textContent = say("English", "العربية");
  });
  document.getElementById("print").addEventListener("click", () => window.print());

  // Sorting: numbers start with the largest, texts with the first.
  const value = (row, column, kind) => {
    const cell = row.cells[column];
    if (kind === "text") return cell.dataset.value ?? cell.textContent.trim();
    return Number(cell.dataset.value ?? cell.textContent.replaceAll(",", ""));
  };
  for (const button of document.querySelectorAll(".sort")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const kind = button.dataset.kind;
      const first = kind === "text" ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? (first === "ascending" ? "descending" : "ascending") : first;
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const body = head.closest("table").tBodies[0];
      const sign = order === "ascending" ? 1 : -1;
      const compare = (a, b) => (kind === "text" ? a.localeCompare(b, "ar") : a - b);
      const rows = [...body.rows].map((row) => [value(row, head.cellIndex, kind), row]);
      rows.sort((a, b) => sign * compare(a[0], b[0]));
      body.append(...rows.map((pair) => pair[1]));
    });
  }

  const find = document.getElementById("find");
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    for (const row of document.querySelectorAll(".list tbody tr")) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  });

  const dialog = document.getElementById("evidence");
  const item = ([number, score]) => {
    const row = evidence.rows[number];
    const li = document.createElement("li");
    const text = document.createElement("p");
    const about = document.createElement("small");
    text.dir = "rtl";
    text.lang = "ar";
    text.textContent = row.x;
    about.textContent = [row.s, row.a, row.y.map(name).join(say("، ", ", ")), name(row.v), score.toFixed(2)].join(" · ");
    li.append(text, about);
    return li;
  };
  const show = (button) => {
    const key = button.dataset.key.split("\t");
    const list = evidence.lists[button.dataset.key] ?? [];
    const isStance = key[0] === "stance";
    const title = isStance ? `${key[1]} · ${name(key[3])}` : `${key[1]} · ${name(key[2])}`;
    document.getElementById("evidence-title").textContent = title;
    const total = Number(button.textContent.replaceAll(",", ""));
    const part = isStance && total > list.length ? say(`أوضح ${list.length} من ${total}`, `the surest ${list.length} of ${total}`) : "";
    document.getElementById("evidence-note").textContent = [isStance ? targets[Number(key[2])] : "", part].filter(Boolean).join(" · ");
    dialog.querySelector("ul").replaceChildren(...list.map(item));
    dialog.showModal();
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".n");
    if (button) show(button);
    else if (event.target === dialog) dialog.close();
  });
}
