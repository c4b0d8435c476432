/** The page: holds the state and redraws what depends on it. */

import { clearAlert, remark, showError } from "./alerts.js";
import { ApiError, getLabels, getModel, hasKey, tag } from "./api.js";
import { drawArticle } from "./article.js";
import { drawCall } from "./calls.js";
import { Composer } from "./composer.js";
import { drawDetail, drawGuide } from "./detail.js";
import { askKey, closeOnBackdrop, dialogHead, drawHelp, drawLicence } from "./dialogs.js";
import { byId, fill, h } from "./dom.js";
import { fileName, save, toCsv, toJson } from "./exports.js";
import { drawFacets, drawTargets, markFilters } from "./facets.js";
import { Filters } from "./filters.js";
import { keep, language, other, preferredLanguage, recall, t, useLanguage } from "./i18n.js";
import { listen } from "./keys.js";
import { Scheme } from "./labels.js";
import { toHtml } from "./report.js";
import { dismissTip, hideTip, watchTips } from "./tip.js";

const THEME = "qawl.theme";

/** `result` is {request, reply}; `selected` the index of the chosen sentence, -1 for none. */
const state = { scheme: null, model: null, result: null, selected: -1, filters: new Filters(), running: null };

const say = (words) => {
  byId("status").textContent = words;
};
const composer = new Composer(say);

/** Calls `action`, asking for a key as often as the service wants one. Null when the user gave none. */
async function withKey(action) {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (error.code !== "unauthorized") throw error;
      if (!(await askKey(hasKey()))) {
        showError(error);
        return null;
      }
    }
  }
}

async function loadScheme() {
  state.scheme ??= await getLabels().then((data) => new Scheme(data));
  state.model ??= await getModel();
  drawModel();
  return state.scheme;
}

async function start() {
  try {
    // A key that is asked for here is asked for before the user has done any work.
    await withKey(loadScheme);
  } catch (error) {
    showError(error, () => {
      clearAlert();
      start();
    });
  }
}

async function submit() {
  if (state.running) return;
  clearAlert();
  if (composer.empty) {
    byId("composer").open = true;
    byId("text").focus();
    remark(t("emptyArticle"));
    return;
  }
  const request = composer.request();
  state.running = new AbortController();
  drawRunning();
  const begun = performance.now();
  try {
    const reply = await withKey(async () => {
      await loadScheme();
      return tag(request, state.running.signal);
    });
    if (reply) finish(request, reply, (performance.now() - begun) / 1000);
    else say("");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    say(error.code === "cancelled" ? t("cancelled") : "");
    if (error.code !== "cancelled") showError(error, submit);
  } finally {
    state.running = null;
    drawRunning();
  }
}

function finish(request, reply, elapsed) {
  state.result = { request, reply };
  state.selected = -1;
  state.filters.clear();
  byId("composer").open = false;
  drawResult();
  say(t("done", { n: reply.sentences.length, seconds: elapsed.toFixed(1) }));
  byId("result-heading").focus({ preventScroll: true });
  byId("result").scrollIntoView({ block: "start" });
}

function drawRunning() {
  const running = state.running !== null;
  const button = byId("tag");
  button.textContent = t(running ? "tagging" : "tag");
  button.setAttribute("aria-disabled", String(running));
  byId("form").setAttribute("aria-busy", String(running));
  byId("cancel").hidden = !running;
  if (running) say(t("tagging"));
}

function drawResult() {
  const { result, scheme, filters } = state;
  if (!result) return;
  byId("result").hidden = false;
  byId("result-heading").textContent = t("resultHeading", { n: result.reply.sentences.length });
  drawTargets(byId("targets-summary"), result, scheme, filters, applyFilters);
  drawFacets(byId("facets"), result, scheme, filters, applyFilters);
  drawArticle(byId("article"), result, scheme);
  applyFilters();
  select(state.selected, { focus: false });
}

const matchingIndexes = () =>
  state.result.reply.sentences.filter((sentence) => state.filters.matches(sentence)).map(({ index }) => index);

function applyFilters() {
  const matching = new Set(matchingIndexes());
  const article = byId("article");
  article.classList.toggle("filtered", state.filters.active);
  article.classList.toggle("only", state.filters.only && state.filters.active);
  for (const line of article.querySelectorAll(".line")) {
    let any = false;
    for (const element of line.querySelectorAll(".s")) {
      const match = matching.has(Number(element.dataset.index));
      element.classList.toggle("off", !match);
      any ||= match;
    }
    line.classList.toggle("no-match", !any);
  }
  markFilters(state.filters, matching.size, state.result.reply.sentences.length);
  markTabStop(matching);
}

/** One sentence is in the tab order: the chosen one, else the first that matches. */
function markTabStop(matching = new Set(matchingIndexes())) {
  const stop = matching.has(state.selected) ? state.selected : [...matching][0];
  for (const element of byId("article").querySelectorAll(".s"))
    element.tabIndex = Number(element.dataset.index) === stop ? 0 : -1;
}

function select(index, { focus = true } = {}) {
  const { result, scheme } = state;
  state.selected = index;
  byId("article").querySelector("[aria-current]")?.removeAttribute("aria-current");
  const element = byId(`s${index}`);
  element?.setAttribute("aria-current", "true");
  drawDetail(byId("detail"), result, scheme, index, {
    previous: () => step(-1, "detail-previous"),
    next: () => step(1, "detail-next"),
    close: unselect,
  });
  markTabStop();
  if (!element) return;
  if (focus) element.focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest" });
}

/** The next or previous sentence that passes the filters; keeps the focus on a button that asked for it. */
function step(by, button) {
  if (!state.result) return;
  const matching = matchingIndexes();
  if (!matching.length) return;
  const { selected } = state;
  const ahead = by > 0 ? matching.find((index) => index > selected) : matching.findLast((index) => index < selected);
  const edge = by > 0 ? matching.at(-1) : matching[0];
  select(ahead ?? (selected < 0 ? matching[0] : edge), { focus: !button });
  if (button) byId(button).focus();
}

const jump = (at) => {
  const index = matchingIndexes().at(at);
  if (index !== undefined) select(index);
};

function unselect() {
  const last = byId(`s${state.selected}`);
  select(-1);
  last?.focus({ preventScroll: true });
}

function toggleTags() {
  const on = byId("article").classList.toggle("bare") === false;
  byId("toggle-tags").setAttribute("aria-pressed", String(on));
}

async function exportAs(kind) {
  const { result, scheme } = state;
  const name = fileName(kind);
  try {
    if (kind === "json") save(name, "application/json", toJson(result));
    else if (kind === "csv") save(name, "text/csv;charset=utf-8", toCsv(result));
    else save(name, "text/html;charset=utf-8", await toHtml(result, scheme));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return showError(new ApiError("network"));
  }
  return say(t("exported", { name }));
}

function openDialog(id) {
  hideTip();
  const dialog = byId(id);
  if (!dialog.open) dialog.showModal();
}

function openGuide() {
  if (!state.scheme) return start();
  drawGuide(byId("guide"), state.scheme, dialogHead);
  return openDialog("guide");
}

function openHelp() {
  drawHelp();
  openDialog("help");
}

function openCall() {
  drawCall(byId("call"), state.result.request, dialogHead, (ok) => say(t(ok ? "copied" : "copyByHand")));
  openDialog("call");
}

function drawModel() {
  const { model } = state;
  if (!model) return;
  const open = () => {
    drawLicence(model);
    openDialog("licence");
  };
  fill(
    byId("model"),
    t("model", { name: model.name, version: model.version, scheme: model.scheme, licence: model.licence }),
    " ",
    h("button", { type: "button", class: "link", id: "open-licence", onclick: open }, t("licenceTitle")),
  );
}

const isDark = () =>
  (document.documentElement.dataset.theme ||
    (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  byId("theme").textContent = t(isDark() ? "themeLight" : "themeDark");
}

function drawAll(lang) {
  useLanguage(lang);
  const switcher = byId("language");
  switcher.textContent = t("languageOther");
  switcher.lang = other();
  for (const button of document.querySelectorAll("[data-export]"))
    button.setAttribute("aria-label", t(`${button.dataset.t}Label`));
  setTheme();
  composer.draw();
  drawRunning();
  drawModel();
  drawResult();
}

function wire() {
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  byId("cancel").addEventListener("click", () => state.running?.abort());
  byId("language").addEventListener("click", () => {
    clearAlert();
    say("");
    drawAll(other());
  });
  byId("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    keep(THEME, theme);
    setTheme(theme);
  });
  byId("open-help").addEventListener("click", openHelp);
  byId("open-guide").addEventListener("click", openGuide);
  byId("open-call").addEventListener("click", openCall);
  byId("toggle-tags").addEventListener("click", toggleTags);
  for (const button of document.querySelectorAll("[data-export]"))
    button.addEventListener("click", () => exportAs(button.dataset.export));
  byId("article").addEventListener("click", (event) => {
    const element = event.target.closest(".s");
    // A drag over the text is a selection to copy, not a choice.
    if (element && window.getSelection().isCollapsed) select(Number(element.dataset.index));
  });
  closeOnBackdrop();
  watchTips(() => state.scheme);
  listen({
    submit,
    next: () => step(1),
    previous: () => step(-1),
    first: () => jump(0),
    last: () => jump(-1),
    choose: (element) => select(Number(element.dataset.index)),
    search: () => {
      if (!state.result) return;
      byId("facets").firstChild.open = true;
      byId("search").focus();
    },
    help: openHelp,
    tags: () => state.result && toggleTags(),
    edit: () => {
      byId("composer").open = true;
      byId("text").focus();
    },
    escape,
  });
}

function escape(event) {
  if (dismissTip() || document.querySelector("dialog[open]")) return;
  if (event.target.id === "search" && state.filters.search === "")
    byId("article").querySelector(".s[tabindex='0']")?.focus();
  else if (event.target.id !== "search" && state.result && state.selected >= 0) unselect();
  else if (state.running) state.running.abort();
}

wire();
setTheme(recall(THEME));
drawAll(preferredLanguage());
start();
