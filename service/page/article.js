/** The tagged article: every character of the text, sentences coloured and followed by their chips. */

import { fill, h, hidden, icon } from "./dom.js";
import { language, t } from "./i18n.js";

/**
 * The text cut into lines, each a list of gaps (strings) and sentences, nothing lost: joined again with "\n" it is
 * the text. `sentences` have `start` and `end` in UTF-16 units, which are JavaScript's own.
 */
export function lines(text, sentences) {
  const result = [[]];
  const gap = (from, to) => {
    text
      .slice(from, to)
      .split("\n")
      .forEach((piece, index) => {
        if (index > 0) result.push([]);
        if (piece) result.at(-1).push(piece);
      });
  };
  let at = 0;
  for (const sentence of sentences) {
    gap(at, sentence.start);
    result.at(-1).push(sentence);
    at = sentence.end;
  }
  gap(at, text.length);
  return result;
}

/** The labels of a sentence in words, for screen readers and reports. */
export function spoken(sentence, scheme, lang) {
  const types = sentence.types.map((type) => scheme.text("types", type.label, lang));
  const stances = sentence.stances
    .filter((stance) => stance.label !== null && !scheme.isSilent(stance.label))
    .map((stance) => t("spokenStance", { n: stance.target + 1, label: scheme.text("stances", stance.label, lang) }));
  const voice = scheme.text("voices", sentence.voice.label, lang);
  const comma = lang === "ar" ? "، " : ", ";
  return t("spoken", { types: types.join(comma), voice, stances: stances.join(comma) });
}

/** A chip that explains its label on hover. */
export function chip(head, id, scheme, ...inside) {
  const kind = head === "types" ? scheme.hue(id) : scheme.mark(head, id);
  return h("span", { class: `chip ${head} ${kind}`, data: { head, label: id } }, ...inside);
}

function chips(sentence, scheme) {
  const lang = language();
  const [primary, others] = [sentence.primary, sentence.types.filter((type) => type.label !== sentence.primary)];
  return h(
    "span",
    { class: "tags", lang, dir: lang === "ar" ? "rtl" : "ltr", "aria-hidden": "true" },
    chip("types", primary, scheme, scheme.text("types", primary, lang)),
    others.map(({ label }) =>
      h("span", { class: "also" }, chip("types", label, scheme, scheme.text("types", label, lang))),
    ),
    chip(
      "voices",
      sentence.voice.label,
      scheme,
      icon(scheme.iconName("voices", sentence.voice.label)),
      scheme.text("voices", sentence.voice.label, lang),
    ),
    sentence.stances.map((stance) => {
      if (stance.label === null)
        return h("span", { class: "chip own" }, String(stance.target + 1), icon("target"), t("isTarget"));
      if (scheme.isSilent(stance.label)) return null;
      return chip(
        "stances",
        stance.label,
        scheme,
        h("b", {}, String(stance.target + 1)),
        icon(scheme.iconName("stances", stance.label)),
        scheme.text("stances", stance.label, lang),
      );
    }),
    sentence.truncated || sentence.no_arabic ? h("span", { class: "chip own" }, icon("warn")) : null,
  );
}

function sentenceElement(sentence, scheme) {
  return h(
    "span",
    {
      class: `s ${scheme.hue(sentence.primary)}`,
      role: "button",
      tabindex: "-1",
      id: `s${sentence.index}`,
      "aria-controls": "detail",
      data: { index: sentence.index },
    },
    h("span", { class: "words" }, sentence.text),
    hidden(` (${spoken(sentence, scheme, language())}) `),
    chips(sentence, scheme),
  );
}

/** Draws the article into `root`; `title`, if any, stands above it. */
export function drawArticle(root, { request, reply }, scheme) {
  const body = lines(request.text, reply.sentences).map((parts) =>
    h(
      "p",
      { class: parts.length ? "line" : "line blank" },
      parts.map((part) => (typeof part === "string" ? part : sentenceElement(part, scheme))),
    ),
  );
  fill(root, ...(request.title ? [h("h3", { class: "headline" }, request.title)] : []), ...body);
}
