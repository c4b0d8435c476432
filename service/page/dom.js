/** Small helpers for building elements; text always goes in as text nodes, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/** Paths on a 16 x 16 grid, drawn with the current colour. */
const ICONS = {
  stance0: "M3 8.5l3.2 3.2L13 5",
  stance1: "M4 4l8 8M12 4l-8 8",
  stance2: "M3.2 8h.1M8 8h.1M12.8 8h.1",
  stance3: "M4 8h8",
  voice0: "M3 13l1-3.4L10.6 3 13 5.4 6.4 12z",
  voice1: "M6.5 4C4.2 5 3.2 6.8 3.4 11.5h3.2V8H5M13 4c-2.3 1-3.3 2.8-3.1 7.5h3.2V8h-1.6",
  voice2: "M3 13V3.5M3 8h4.5M10 4.5h3M10 8h3M10 11.5h3",
  check: "M8 2.5l4.5 1.7v3.3c0 2.9-1.8 4.8-4.5 6-2.7-1.2-4.5-3.1-4.5-6V4.2zM5.8 8l1.6 1.6L10.4 6.5",
  target: "M8 2.5a5.5 5.5 0 100 11 5.5 5.5 0 000-11M8 6a2 2 0 100 4 2 2 0 000-4",
  close: "M4 4l8 8M12 4l-8 8",
  warn: "M8 2.8L14 13H2zM8 6.5v3M8 11.4v.1",
  next: "M8 3v10M4 9l4 4 4-4",
  previous: "M8 13V3M4 7l4-4 4 4",
};

/** An element: `props` are attributes, `on…` listeners, `class`, `data` (dataset) and boolean attributes. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

/** Replaces what is in `root`; nested lists and gaps (null, false) are allowed, as in `h`. */
export function fill(root, ...children) {
  root.replaceChildren(...flat(children));
}

const flat = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** A decorative drawing: hidden from screen readers, which get the words beside it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? ICONS.stance3);
  svg.append(path);
  return svg;
}

/** The markup of an icon, for the exported report. */
export function iconMarkup(name) {
  return `<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="${ICONS[name] ?? ICONS.stance3}"/></svg>`;
}

export const byId = (id) => document.getElementById(id);

/** Words for screen readers only. */
export const hidden = (text) => h("span", { class: "sr" }, text);
