/** The chosen sentence: every label's probability, its definition and an example. */

import { fill, h, icon } from "./dom.js";
import { language, percent, t } from "./i18n.js";
import { meaning } from "./labels.js";

/** Draws the panel. `steps` is {previous, next, close}. */
export function drawDetail(root, { reply }, scheme, index, steps) {
  const sentence = reply.sentences[index];
  root.classList.toggle("open", sentence !== undefined);
  if (!sentence) {
    fill(root, h("p", { class: "quiet" }, t("chooseSentence")));
    return;
  }
  fill(
    root,
    h(
      "div",
      { class: "detail-head" },
      h("h3", {}, t("sentenceN", { n: index + 1, total: reply.sentences.length })),
      stepButton("previous", t("previous"), steps.previous),
      stepButton("next", t("next"), steps.next),
      stepButton("close", t("close"), steps.close),
    ),
    h("p", { class: "quote", tabindex: "0", lang: "ar", dir: "rtl" }, sentence.text),
    notes(sentence),
    head(
      t("types"),
      scheme.all("types").map(({ id }) => ({
        id,
        score: sentence.type_scores[id],
        on: sentence.types.some((type) => type.label === id),
        threshold: scheme.get("types", id).threshold,
      })),
      "types",
      scheme,
    ),
    head(t("voices"), scored(sentence.voice), "voices", scheme),
    sentence.stances.map((stance) =>
      stance.label === null
        ? null
        : head(
            t("stanceOn", { n: stance.target + 1 }),
            scored(stance),
            "stances",
            scheme,
            reply.targets[stance.target].text,
          ),
    ),
    h("p", { class: "quiet small" }, t("place", { start: sentence.start, end: sentence.end })),
  );
}

function stepButton(name, words, onclick) {
  return h(
    "button",
    { type: "button", class: "round", id: `detail-${name}`, "aria-label": words, title: words, onclick },
    icon(name),
  );
}

function notes(sentence) {
  const items = [
    sentence.checkable && ["check", t("checkable")],
    sentence.is_target && ["target", t("isTarget")],
    sentence.truncated && ["warn", t("truncated")],
    sentence.no_arabic && ["warn", t("noArabic")],
  ].filter(Boolean);
  return items.length
    ? h(
        "ul",
        { class: "notes" },
        items.map(([name, words]) => h("li", {}, icon(name), words)),
      )
    : null;
}

const scored = ({ label, scores }) => Object.entries(scores).map(([id, score]) => ({ id, score, on: id === label }));

function head(title, rows, name, scheme, about) {
  const ordered = rows.filter((row) => row.score !== undefined).sort((a, b) => b.on - a.on || b.score - a.score);
  return h(
    "section",
    { class: "head" },
    h("h4", {}, title),
    about ? h("p", { class: "about", lang: "ar", dir: "auto" }, about) : null,
    ordered.map((row) => labelRow(row, name, scheme)),
  );
}

function labelRow({ id, score, on, threshold }, name, scheme) {
  const label = scheme.get(name, id);
  const kind = name === "types" ? scheme.hue(id) : scheme.mark(name, id);
  const fill = h("i", { class: "fill" });
  fill.style.inlineSize = `${score * 100}%`;
  const track = h("span", { class: "track", "aria-hidden": "true" }, fill);
  if (typeof threshold === "number") {
    const tick = h("i", { class: "tick" });
    tick.style.insetInlineStart = `${threshold * 100}%`;
    track.append(tick);
  }
  return h(
    "details",
    { class: `label-row-detail ${kind}${on ? " on" : ""}`, data: { row: id } },
    h(
      "summary",
      {},
      h(
        "span",
        { class: "name" },
        scheme.text(name, id, language()),
        on ? h("span", { class: "sr" }, ` (${t("chosenLabel")})`) : null,
      ),
      track,
      h("span", { class: "n", dir: "ltr" }, percent(score)),
    ),
    explanation(label),
    typeof threshold === "number"
      ? h("p", { class: "quiet small" }, t("threshold", { value: percent(threshold) }))
      : null,
  );
}

/** Definition and example of a label, as the service tells them. */
export function explanation(label) {
  const { words, lang } = meaning(label, language());
  return [
    h("p", { class: "definition", lang, dir: "auto" }, words),
    h("p", { class: "example", lang: "ar", dir: "rtl" }, label.example),
  ];
}

/** The same for all labels of the scheme. */
export function drawGuide(root, scheme, dialogHead) {
  const lang = language();
  const part = (head, title) => [
    h("h3", {}, title),
    h(
      "dl",
      { class: "guide" },
      scheme.all(head).map((label) => {
        const mark =
          head === "types"
            ? h("i", { class: `swatch ${scheme.hue(label.id)}` })
            : icon(scheme.iconName(head, label.id));
        const both = lang === "ar" ? [label.arabic, label.english] : [label.english, label.arabic];
        const threshold =
          typeof label.threshold === "number" ? t("threshold", { value: percent(label.threshold) }) : "";
        return h(
          "div",
          {},
          h(
            "dt",
            {},
            mark,
            " ",
            both[0],
            " ",
            h("small", { class: "quiet" }, both[1], threshold ? ` · ${threshold}` : ""),
          ),
          h("dd", {}, explanation(label)),
        );
      }),
    ),
  ];
  fill(
    root,
    dialogHead(root, "guide-title", t("guideTitle")),
    ...part("types", t("types")),
    ...part("voices", t("voices")),
    ...part("stances", t("stances")),
  );
}
