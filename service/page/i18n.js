/** The words of the interface, Arabic and English. Labels come from the service, never from here. */

import { strings as ar } from "./strings.ar.js";
import { strings as en } from "./strings.en.js";

const STRINGS = { ar, en };
const STORE = "qawl.language";

let current = "ar";
let plurals;
let numbers;
let percents;

export const language = () => current;
export const other = () => (current === "ar" ? "en" : "ar");

/** The language kept from the last visit, else the browser's; anything that is not Arabic reads English. */
export function preferredLanguage() {
  const kept = recall(STORE);
  if (kept in STRINGS) return kept;
  return (navigator.language ?? "").toLowerCase().startsWith("ar") ? "ar" : "en";
}

/** Switches the words of everything static; what is drawn by code is redrawn by its owner. */
export function useLanguage(lang) {
  current = lang;
  keep(STORE, lang);
  plurals = new Intl.PluralRules(lang);
  // Latin digits in both: the same figures as in the API's reply, and no mixing of directions with "%".
  numbers = new Intl.NumberFormat(`${lang}-u-nu-latn`);
  percents = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });
  const root = document.documentElement;
  root.lang = lang;
  root.dir = lang === "ar" ? "rtl" : "ltr";
  document.title = t("pageTitle");
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-t-label]"))
    element.setAttribute("aria-label", t(element.dataset.tLabel));
}

/** The sentence for `key`, `{name}` filled in; `{n}` also chooses the plural form where there are several. */
export function t(key, values = {}) {
  let words = STRINGS[current][key] ?? STRINGS.en[key] ?? key;
  if (typeof words === "object") words = words[plurals.select(values.n)] ?? words.other;
  return words.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? number(value) : value;
  });
}

/** Whether there are words for `key`. */
export const has = (key) => key in STRINGS.en;

export const number = (value) => numbers.format(value);
export const percent = (value) => percents.format(value);

/** localStorage may be forbidden; then a choice lasts as long as the page. */
export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Nothing to do: the choice is still in force now.
  }
}

export function recall(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}
