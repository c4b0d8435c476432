/**
 * Keys. Letters are read by place as well as by name, since an Arabic keyboard types other letters with the same
 * keys. Single-letter keys can be switched off (WCAG 2.1.4).
 */

import { keep, recall } from "./i18n.js";

const STORE = "qawl.keys";
const FIELDS = "input:not([type=checkbox]), textarea, select, [contenteditable]";

let singles = recall(STORE) !== "off";

export const singleKeys = () => singles;

export function useSingleKeys(on) {
  singles = on;
  keep(STORE, on ? "on" : "off");
}

/** The Latin letter or sign of a key press, whatever the layout. */
function sign(event) {
  if (event.key === "?" || event.key === "؟") return "?";
  if (event.key === "/") return "/";
  if (/^[a-z]$/i.test(event.key)) return event.key.toLowerCase();
  if (/^[!-~]$/.test(event.key)) return "";
  if (event.code === "Slash") return event.shiftKey ? "?" : "/";
  return event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : "";
}

/** `actions`: submit, escape, next, previous, first, last, choose(element), and one per single letter. */
export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return run(event, actions.submit);
    if (event.key === "Escape") return actions.escape(event);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return undefined;
    const sentence = event.target.closest?.(".s");
    if (sentence) {
      if (event.key === "ArrowDown") return run(event, actions.next);
      if (event.key === "ArrowUp") return run(event, actions.previous);
      if (event.key === "Home") return run(event, actions.first);
      if (event.key === "End") return run(event, actions.last);
      if (event.key === "Enter" || event.key === " ") return run(event, () => actions.choose(sentence));
    }
    if (!singles || event.target.matches?.(FIELDS)) return undefined;
    const action = {
      j: actions.next,
      k: actions.previous,
      "/": actions.search,
      "?": actions.help,
      t: actions.tags,
      e: actions.edit,
    }[sign(event)];
    return action ? run(event, action) : undefined;
  });
}

function run(event, action) {
  event.preventDefault();
  action(event);
}
