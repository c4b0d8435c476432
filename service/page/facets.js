/** Filters, which are also the legend and the counts: types, voices, checkable, and a card per target. */

import { fill, h, hidden, icon } from "./dom.js";
import { language, number, percent, t } from "./i18n.js";
import { chip } from "./article.js";

const narrow = window.matchMedia("(max-width: 60rem)");

/** Draws the filter column into `root`. `onChange()` is called after any change of `filters`. */
export function drawFacets(root, { reply }, scheme, filters, onChange) {
  const count = (test) => reply.sentences.filter(test).length;
  const group = (head, title, test) =>
    h(
      "fieldset",
      { class: "facet" },
      h("legend", {}, title),
      scheme.all(head).map((label) => {
        const n = count((sentence) => test(sentence, label.id));
        return choice(head, label.id, n, scheme, filters, onChange);
      }),
    );
  const search = h("input", {
    id: "search",
    type: "search",
    dir: "rtl",
    lang: "ar",
    value: filters.search,
    "aria-keyshortcuts": "/",
    autocomplete: "off",
    oninput: (event) => {
      filters.search = event.target.value;
      onChange();
    },
  });
  fill(
    root,
    h(
      "details",
      { class: "facet-box", open: !narrow.matches || filters.active },
      h("summary", {}, t("filters")),
      h("label", { class: "search-label", for: "search" }, t("search")),
      search,
      h("p", { id: "matching", class: "quiet", role: "status" }),
      h(
        "div",
        { class: "facet-tools" },
        toggle(t("onlyMatches"), filters.only, "only", () => {
          filters.only = !filters.only;
          onChange();
        }),
        h(
          "button",
          { type: "button", id: "clear-filters", class: "link", onclick: () => clear(search, filters, onChange) },
          t("clearFilters"),
        ),
      ),
      group("types", t("types"), (sentence, id) => sentence.types.some((type) => type.label === id)),
      h(
        "fieldset",
        { class: "facet" },
        h("legend", {}, t("checkable")),
        checkableChoice(
          count((sentence) => sentence.checkable),
          filters,
          onChange,
        ),
        h("p", { class: "quiet small", id: "checkable-hint" }, t("checkableHint")),
      ),
      group("voices", t("voices"), (sentence, id) => sentence.voice.label === id),
    ),
  );
}

function clear(search, filters, onChange) {
  const { only } = filters;
  filters.clear();
  filters.only = only;
  search.value = "";
  onChange();
}

function toggle(words, on, name, onclick) {
  return h(
    "button",
    { type: "button", id: `toggle-${name}`, class: "link", "aria-pressed": String(on), onclick },
    words,
  );
}

function choice(head, id, n, scheme, filters, onChange) {
  const words = scheme.text(head, id, language());
  const mark = head === "types" ? h("i", { class: `swatch ${scheme.hue(id)}` }) : icon(scheme.iconName(head, id));
  return h(
    "button",
    {
      type: "button",
      class: "choice",
      "aria-pressed": String(filters.has(head, id)),
      data: { filter: head, head, label: id, empty: n === 0 ? "yes" : "no" },
      onclick: () => {
        filters.toggle(head, id);
        onChange();
      },
    },
    mark,
    h("span", { class: "name" }, words),
    h("span", { class: "n" }, number(n)),
  );
}

function checkableChoice(n, filters, onChange) {
  return h(
    "button",
    {
      type: "button",
      class: "choice",
      "aria-pressed": String(filters.checkable),
      "aria-describedby": "checkable-hint",
      data: { filter: "checkable" },
      onclick: () => {
        filters.checkable = !filters.checkable;
        onChange();
      },
    },
    icon("check"),
    h("span", { class: "name" }, t("checkable")),
    h("span", { class: "n" }, number(n)),
  );
}

/** A card per target: where the article stands, a bar of its sentences, and a filter for each stance. */
export function drawTargets(root, { reply }, scheme, filters, onChange) {
  if (!reply.targets.length) {
    fill(root, h("p", { class: "quiet no-targets" }, t("noTargets")));
    return;
  }
  fill(
    root,
    h(
      "ul",
      { class: "cards" },
      reply.targets.map((target, index) => card(target, reply.document.stances[index], scheme, filters, onChange)),
    ),
  );
}

function card(target, stance, scheme, filters, onChange) {
  const lang = language();
  const source = { title: t("sourceTitle"), lead: t("sourceLead") }[target.source];
  return h(
    "li",
    { class: "card" },
    h(
      "h3",
      { class: "target-title" },
      h("span", { class: "badge", "aria-label": t("targetN", { n: target.index + 1 }) }, number(target.index + 1)),
      h("span", { dir: "auto", lang: "ar", class: "target-text" }, target.text),
    ),
    source ? h("p", { class: "quiet small" }, source) : null,
    h(
      "p",
      { class: "verdict" },
      h("span", { class: "quiet" }, t("documentSays")),
      " ",
      chip(
        "stances",
        stance.label,
        scheme,
        icon(scheme.iconName("stances", stance.label)),
        scheme.text("stances", stance.label, lang),
        " ",
        h("span", { dir: "ltr" }, percent(stance.score)),
      ),
      stance.mixed ? h("span", { class: "chip mixed" }, icon("warn"), t("bothSides")) : null,
    ),
    bar(stance.counts, scheme),
    h(
      "div",
      { class: "stance-filters" },
      scheme
        .all("stances")
        .map(({ id }) => stanceFilter(target.index, id, stance.counts[id] ?? 0, scheme, filters, onChange)),
    ),
  );
}

function bar(counts, scheme) {
  const parts = scheme.all("stances").filter(({ id }) => counts[id]);
  const element = h(
    "div",
    { class: "bar", "aria-hidden": "true" },
    parts.map(({ id }) => h("span", { class: `part ${scheme.mark("stances", id)}` })),
  );
  parts.forEach(({ id }, index) => {
    element.children[index].style.flexGrow = counts[id];
  });
  return element;
}

function stanceFilter(target, id, n, scheme, filters, onChange) {
  const words = scheme.text("stances", id, language());
  return h(
    "button",
    {
      type: "button",
      class: `choice small ${scheme.mark("stances", id)}`,
      "aria-pressed": String(filters.has("stances", id, target)),
      data: { filter: "stances", head: "stances", label: id, target },
      onclick: () => {
        filters.toggle("stances", id, target);
        onChange();
      },
    },
    icon(scheme.iconName("stances", id)),
    h("span", { class: "name" }, words),
    hidden(`, ${t("targetN", { n: target + 1 })}, `),
    h("span", { class: "n" }, number(n)),
  );
}

/** Shows on every filter button whether it is on, and the number of matches. */
export function markFilters(filters, matching, total) {
  for (const button of document.querySelectorAll("[data-filter]")) {
    const { filter, label, target } = button.dataset;
    const on = filter === "checkable" ? filters.checkable : filters.has(filter, label, Number(target));
    button.setAttribute("aria-pressed", String(on));
  }
  document.getElementById("toggle-only").setAttribute("aria-pressed", String(filters.only));
  document.getElementById("clear-filters").disabled = !filters.active;
  let words = t("matchingAll", { n: total });
  if (filters.active) words = matching ? t("matching", { n: matching, total }) : t("noMatch");
  document.getElementById("matching").textContent = words;
}
