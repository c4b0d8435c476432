/** The form: an article, its title, the targets and two switches. */

import { byId, fill, h, icon } from "./dom.js";
import { example } from "./example.js";
import { number, t } from "./i18n.js";

export class Composer {
  #targets = [];
  #say;

  /** `say(words)` tells the user what happened. */
  constructor(say) {
    this.#say = say;
    byId("text").addEventListener("input", () => this.#count());
    byId("add-target").addEventListener("click", () => this.#addTyped());
    byId("target").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
      event.preventDefault();
      this.#addTyped();
    });
    byId("target").addEventListener("paste", (event) => this.#pasteTargets(event));
    byId("open-file").addEventListener("click", () => byId("file").click());
    byId("file").addEventListener("change", (event) => {
      const [file] = event.target.files;
      if (file) this.open(file);
      event.target.value = "";
    });
    byId("example").addEventListener("click", () => this.fill(example, t("exampleReady")));
    byId("clear").addEventListener("click", () => this.fill({ title: "", text: "", targets: [] }, ""));
    this.#watchDrops();
  }

  get empty() {
    return byId("text").value.trim() === "";
  }

  /** The body of `POST /v1/tag`: offsets in JavaScript's own unit, all probabilities. */
  request() {
    if (byId("target").value.trim()) this.#addTyped();
    const title = byId("title").value.trim();
    const request = { text: byId("text").value, ...(title ? { title } : {}), targets: [...this.#targets] };
    if (!request.targets.length && byId("default-target").checked) {
      delete request.targets;
      request.default_target = true;
    }
    if (byId("alone").checked) request.context = false;
    return { ...request, scores: true, offset_unit: "utf16" };
  }

  fill({ title, text, targets }, words) {
    byId("title").value = title;
    byId("text").value = text;
    this.#targets = [...targets];
    this.draw();
    this.#say(words);
    byId("text").focus();
  }

  /** Words in the language of the interface. */
  draw() {
    byId("text").placeholder = t("articlePlaceholder");
    byId("target").placeholder = t("targetPlaceholder");
    this.#count();
    fill(
      byId("targets"),
      ...this.#targets.map((target, index) =>
        h(
          "li",
          {},
          h("span", { class: "badge", "aria-hidden": "true" }, number(index + 1)),
          h("span", { dir: "auto", lang: "ar", class: "target-text" }, target),
          h(
            "button",
            {
              type: "button",
              class: "round",
              "aria-label": t("removeTarget", { n: index + 1, text: target }),
              onclick: () => this.#remove(index),
            },
            icon("close"),
          ),
        ),
      ),
    );
    byId("targets").hidden = this.#targets.length === 0;
    byId("default-row").hidden = this.#targets.length > 0;
  }

  /** Reads a dropped or chosen file; old Arabic files are in Windows' own code page. */
  async open(file) {
    const bytes = await file.arrayBuffer();
    let text;
    let words = t("fileOpened", { name: file.name });
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      text = new TextDecoder("windows-1256").decode(bytes);
      words = t("fileOpenedOld", { name: file.name });
    }
    if (text.includes("\0")) return this.#say(t("fileNotText", { name: file.name }));
    byId("text").value = text;
    this.#count();
    this.#say(words);
    return byId("text").focus();
  }

  #count() {
    // Code points, which is what the service's limit is in.
    byId("count").textContent = t("characters", { n: [...byId("text").value].length });
  }

  #addTyped() {
    const field = byId("target");
    this.#add([field.value]);
    field.value = "";
    field.focus();
  }

  #add(values) {
    for (const value of values.map((item) => item.trim()).filter(Boolean)) {
      if (this.#targets.includes(value)) {
        this.#say(t("targetRepeated"));
        continue;
      }
      this.#targets.push(value);
      this.#say(t("targetAdded", { n: this.#targets.length }));
    }
    this.draw();
  }

  /** Several lines pasted at once are several targets. */
  #pasteTargets(event) {
    const rows = event.clipboardData.getData("text").trim().split(/\r?\n/);
    if (rows.length < 2) return;
    event.preventDefault();
    this.#add(rows);
  }

  #remove(index) {
    this.#targets.splice(index, 1);
    this.draw();
    this.#say(t("targetRemoved"));
    byId("target").focus();
  }

  #watchDrops() {
    const zone = byId("drop");
    const isFile = (event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      byId("composer").open = true;
      zone.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) zone.classList.remove("over");
    });
    document.addEventListener("drop", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      zone.classList.remove("over");
      this.open(event.dataTransfer.files[0]);
    });
  }
}
