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
  document.addEventListener(
    "scroll",
    () => (owner?.matches(":focus") ? place(tip, owner.getBoundingClientRect()) : hideTip()),
    {
      passive: true,
    },
  );
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
  place(tip, element.getBoundingClientRect());
}

/** Below the label, or above it where there is no room; never out of the window. */
function place(tip, box) {
  const gap = 6;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = Math.min(Math.max(gap, box.left + box.width / 2 - width / 2), innerWidth - width - gap);
  const below = box.bottom + gap + height <= innerHeight;
  tip.style.left = `${Math.max(gap, left)}px`;
  tip.style.top = `${below ? box.bottom + gap : Math.max(gap, box.top - gap - height)}px`;
}
