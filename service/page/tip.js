/** What a label means, on hover or focus; stays while the pointer is on it, Escape hides it (WCAG 1.4.13). */

import { byId, fill, h } from "./dom.js";
import { explanation } from "./detail.js";
import { language } from "./i18n.js";

let timer;
let owner = null;

export function hideTip() {
  clearTimeout(timer);
  owner?.removeAttribute("aria-describedby");
  owner = null;
  byId("tip").hidden = true;
}

/** Whether a tip was open to be hidden. */
export function dismissTip() {
  const open = !byId("tip").hidden;
  hideTip();
  return open;
}

/** `scheme()` gives the labels, once they are known. */
export function watchTips(scheme) {
  const tip = byId("tip");
  const later = (action, wait) => {
    clearTimeout(timer);
    timer = setTimeout(action, wait);
  };
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    if (tip.contains(event.target)) return clearTimeout(timer);
    const label = event.target.closest("[data-head]");
    if (label) later(() => show(label, scheme()), 250);
    else if (!tip.hidden || timer) later(hideTip, 150);
  });
  document.addEventListener("focusin", (event) => {
    const label = event.target.closest("[data-head]");
    if (label && label.matches(":focus-visible")) show(label, scheme());
    else hideTip();
  });
  document.addEventListener("scroll", () => (owner?.matches(":focus") ? placeBy(owner) : hideTip()), {
    passive: true,
  });
}

function show(element, scheme) {
  if (!scheme || !element.isConnected) return;
  const tip = byId("tip");
  const label = scheme.get(element.dataset.head, element.dataset.label);
  const names = language() === "ar" ? [label.arabic, label.english] : [label.english, label.arabic];
  fill(
    tip,
    h("p", { class: "tip-name" }, names[0], " ", h("small", { class: "quiet" }, names[1])),
    ...explanation(label),
  );
  owner?.removeAttribute("aria-describedby");
  owner = element;
  if (element.matches("button")) element.setAttribute("aria-describedby", "tip");
  tip.hidden = false;
  placeBy(element);
}

/** On narrow windows the filters are no column: what is beside them would cover them. */
const placeBy = (element) =>
  place(byId("tip"), element.getBoundingClientRect(), innerWidth > 960 && element.closest(".facets"));

/** Below the label, above it where there is no room, beside it in a column of labels; never out of the window. */
function place(tip, box, column) {
  const gap = 6;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const inside = (value, size, space) => Math.max(gap, Math.min(value, space - size - gap));
  let left = box.left + box.width / 2 - width / 2;
  let top = box.bottom + gap + height <= innerHeight ? box.bottom + gap : box.top - gap - height;
  if (column) {
    left = document.dir === "rtl" ? box.left - width - gap : box.right + gap;
    top = box.top;
  }
  tip.style.left = `${inside(left, width, innerWidth)}px`;
  tip.style.top = `${inside(top, height, innerHeight)}px`;
}
