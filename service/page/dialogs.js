/** The dialogs: help, the labels, the licence, and the one that asks for a key. */

import { byId, fill, h, icon } from "./dom.js";
import { setKey } from "./api.js";
import { t } from "./i18n.js";
import { singleKeys, useSingleKeys } from "./keys.js";

/** Title and close button of a dialog. */
export function dialogHead(dialog, id, title) {
  return h(
    "div",
    { class: "dialog-head" },
    h("h2", { id, tabindex: "-1", autofocus: true }, title),
    h(
      "button",
      { type: "button", class: "round", "aria-label": t("close"), onclick: () => dialog.close() },
      icon("close"),
    ),
  );
}

/** A click beside a dialog closes it. */
export function closeOnBackdrop() {
  for (const dialog of document.querySelectorAll("dialog"))
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
}

export function drawHelp() {
  const dialog = byId("help");
  const keys = [
    ["Ctrl + Enter", "keySubmit"],
    ["J / ↓", "keyNext"],
    ["K / ↑", "keyPrevious"],
    ["/", "keySearch"],
    ["T", "keyTags"],
    ["E", "keyEdit"],
    ["?", "keyHelp"],
    ["Esc", "keyEscape"],
  ];
  fill(
    dialog,
    dialogHead(dialog, "help-title", t("helpTitle")),
    h("p", {}, t("helpIntro")),
    h("h3", {}, t("keys")),
    h(
      "dl",
      { class: "keys" },
      keys.map(([key, words]) => h("div", {}, h("dt", {}, h("kbd", { dir: "ltr" }, key)), h("dd", {}, t(words)))),
    ),
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        id: "single-keys",
        checked: singleKeys(),
        onchange: (event) => useSingleKeys(event.target.checked),
      }),
      " ",
      t("singleKeys"),
    ),
  );
}

/** Asks for the API key; resolves true when one was given. */
export function askKey(wrong) {
  const dialog = byId("key");
  return new Promise((resolve) => {
    let given = false;
    const field = h("input", { id: "key-field", type: "password", autocomplete: "off", dir: "ltr", required: true });
    const onsubmit = (event) => {
      event.preventDefault();
      const value = field.value.trim();
      // A header carries visible ASCII only; anything else can be no key.
      if (!/^[!-~]+$/.test(value)) return field.focus();
      given = true;
      setKey(value);
      return dialog.close();
    };
    fill(
      dialog,
      dialogHead(dialog, "key-title", t("keyTitle")),
      ...(wrong ? [h("p", { class: "wrong", role: "alert" }, t("keyWrong"))] : []),
      h(
        "form",
        { onsubmit, novalidate: true },
        h("label", { for: "key-field" }, t("keyLabel")),
        field,
        h("p", { class: "quiet" }, t("keyNote")),
        h("button", { type: "submit", class: "primary" }, t("keyUse")),
      ),
    );
    dialog.addEventListener("close", () => resolve(given), { once: true });
    if (!dialog.open) dialog.showModal();
    field.focus();
  });
}

/** The model's licence and limits, as /v1/model tells them. */
export function drawLicence(model) {
  const dialog = byId("licence");
  const part = (title, value) => (value ? [h("h3", {}, title), ...blocks(value)] : []);
  fill(
    dialog,
    dialogHead(dialog, "licence-title", t("licenceTitle")),
    ...part(t("licence"), model.licence_text),
    ...part(t("limits"), model.limits),
  );
}

/** Texts as the service sends them: a string, a list, or names with values. */
function blocks(value) {
  if (Array.isArray(value))
    return [
      h(
        "ul",
        {},
        value.map((item) => h("li", { dir: "auto" }, String(item))),
      ),
    ];
  if (typeof value === "object")
    return [
      h(
        "dl",
        { class: "pairs", dir: "ltr", lang: "en" },
        Object.entries(value).map(([name, item]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(item)))),
      ),
    ];
  return [h("pre", { class: "licence", dir: "ltr", lang: "en", tabindex: "0" }, value)];
}
