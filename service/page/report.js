/** The result as one HTML file that needs nothing else: no script, no network, printable. */

import { iconMarkup } from "./dom.js";
import { lines } from "./article.js";
import { pageFile } from "./api.js";
import { language, number, percent, t } from "./i18n.js";
import { meaning } from "./labels.js";

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => String(text).replace(/[&<>"']/g, (character) => ENTITIES[character]);

/** Builds the report in the language of the interface. */
export async function toHtml({ request, reply }, scheme) {
  const styles = (await Promise.all(["tags.css", "report.css"].map(pageFile))).join("\n");
  const lang = language();
  const { name, version, scheme: labels } = reply.model;
  const made = t("reportMade", {
    date: new Date().toLocaleDateString(`${lang}-u-nu-latn`, { dateStyle: "long" }),
    name: escape(name),
    version: escape(version),
    scheme: escape(labels),
  });
  return `<!doctype html>
<html lang="${lang}" dir="${lang === "ar" ? "rtl" : "ltr"}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(t("reportTitle"))}${request.title ? `: ${escape(request.title)}` : ""}</title>
<style>
${styles}
</style>
</head>
<body>
<header><h1>${escape(t("reportTitle"))}</h1><p class="quiet">${made} ${escape(t("reportNote"))}</p></header>
<main>
${cards(reply, scheme, lang)}
<article class="sheet" lang="ar" dir="rtl">
${request.title ? `<h2>${escape(request.title)}</h2>` : ""}
${body(request, reply, scheme, lang)}
</article>
${legend(scheme, lang)}
${table(reply, scheme, lang)}
</main>
</body>
</html>
`;
}

function chip(head, id, scheme, words) {
  const kind = head === "types" ? scheme.hue(id) : scheme.mark(head, id);
  const mark = head === "types" ? "" : iconMarkup(scheme.iconName(head, id));
  return `<span class="chip ${head} ${kind}">${words[0] ?? ""}${mark}${words[1]}</span>`;
}

function cards(reply, scheme, lang) {
  const items = reply.targets.map((target, index) => {
    const stance = reply.document.stances[index];
    const name = escape(scheme.text("stances", stance.label, lang));
    const mixed = stance.mixed ? `<span class="chip mixed">${iconMarkup("warn")}${escape(t("bothSides"))}</span>` : "";
    const counts = scheme
      .all("stances")
      .map(({ id }) => `${escape(scheme.text("stances", id, lang))} ${number(stance.counts[id] ?? 0)}`)
      .join(" · ");
    return `<li class="card"><h3>${number(index + 1)}. <span dir="auto" lang="ar">${escape(target.text)}</span></h3>
<p>${escape(t("documentSays"))}: ${chip("stances", stance.label, scheme, ["", `${name} ${percent(stance.score)}`])} ${mixed}</p>
${bar(stance.counts, scheme)}
<p class="quiet">${counts}</p></li>`;
  });
  return items.length ? `<ul class="cards">${items.join("\n")}</ul>` : "";
}

function bar(counts, scheme) {
  const parts = scheme
    .all("stances")
    .filter(({ id }) => counts[id])
    .map(
      ({ id }) => `<span class="part ${scheme.mark("stances", id)}" style="flex-grow: ${Number(counts[id])}"></span>`,
    );
  return `<div class="bar" aria-hidden="true">${parts.join("")}</div>`;
}

function body(request, reply, scheme, lang) {
  const paragraph = (parts) =>
    parts.map((part) => (typeof part === "string" ? escape(part) : sentence(part, scheme, lang))).join("");
  return lines(request.text, reply.sentences)
    .map((parts) => `<p class="line${parts.length ? "" : " blank"}">${paragraph(parts)}</p>`)
    .join("\n");
}

function sentence(s, scheme, lang) {
  const types = s.types
    .toSorted((a, b) => (b.label === s.primary) - (a.label === s.primary))
    .map(({ label }) => chip("types", label, scheme, ["", escape(scheme.text("types", label, lang))]))
    .map((markup, index) => (index ? `<span class="also">${markup}</span>` : markup));
  const stances = s.stances
    .filter((stance) => stance.label !== null && !scheme.isSilent(stance.label))
    .map((stance) =>
      chip("stances", stance.label, scheme, [
        `<b>${stance.target + 1}</b>`,
        escape(scheme.text("stances", stance.label, lang)),
      ]),
    );
  const voice = chip("voices", s.voice.label, scheme, ["", escape(scheme.text("voices", s.voice.label, lang))]);
  const tags = [...types, voice, ...stances].join("");
  const direction = lang === "ar" ? "rtl" : "ltr";
  return `<span class="s ${scheme.hue(s.primary)}" id="s${s.index}"><span class="words">${escape(s.text)}</span><span class="tags" lang="${lang}" dir="${direction}">${tags}</span></span>`;
}

function legend(scheme, lang) {
  const rows = ["types", "voices", "stances"].flatMap((head) =>
    scheme.all(head).map((label) => {
      const definition = meaning(label, lang);
      return `<tr><td>${chip(head, label.id, scheme, ["", escape(scheme.text(head, label.id, lang))])}</td>
<td lang="${definition.lang}" dir="auto">${escape(definition.words)}</td><td lang="ar" dir="rtl">${escape(label.example)}</td></tr>`;
    }),
  );
  return `<h2>${escape(t("guideTitle"))}</h2>
<table><thead><tr><th scope="col">${escape(t("labels"))}</th><th scope="col">${escape(t("definition"))}</th><th scope="col">${escape(t("exampleOf"))}</th></tr></thead>
<tbody>${rows.join("\n")}</tbody></table>`;
}

function table(reply, scheme, lang) {
  const name = (head, { label, score }) =>
    label === null ? escape(t("isTarget")) : `${escape(scheme.text(head, label, lang))} <bdi>${percent(score)}</bdi>`;
  const targets = reply.targets.map(({ index }) => `<th scope="col">${escape(t("targetN", { n: index + 1 }))}</th>`);
  const rows = reply.sentences.map(
    (s) => `<tr><td><a href="#s${s.index}">${number(s.index + 1)}</a></td><td lang="ar" dir="rtl">${escape(s.text)}</td>
<td>${s.types.map((type) => name("types", type)).join("<br>")}</td><td>${escape(s.checkable ? t("yes") : t("no"))}</td><td>${name("voices", s.voice)}</td>
${s.stances.map((stance) => `<td>${name("stances", stance)}</td>`).join("")}</tr>`,
  );
  const heads = ["sentence", "types", "checkable", "voices"].map((key) => `<th scope="col">${escape(t(key))}</th>`);
  return `<h2>${escape(t("reportTable"))}</h2>
<div class="wide"><table><thead><tr><th scope="col">#</th>${heads.join("")}${targets.join("")}</tr></thead>
<tbody>${rows.join("\n")}</tbody></table></div>`;
}
