/** Which sentences the reader wants: kinds are joined by "and", choices of one kind by "or". */

const MARKS = /[\u064b-\u065f\u0670\u0640\u200e\u200f]/g;

/** Folded for searching: no vowel signs or tatweel, one form of alef, yeh and teh marbuta, no case. */
export const fold = (text) =>
  text
    .normalize("NFKC")
    .replace(MARKS, "")
    .replace(/[أإآٱ]/g, "ا")
    .replace(/ى/g, "ي")
    .replace(/ة/g, "ه")
    .toLowerCase();

export class Filters {
  constructor() {
    this.clear();
  }

  clear() {
    this.search = "";
    this.types = new Set();
    this.voices = new Set();
    this.stances = new Map();
    this.checkable = false;
    this.only = false;
  }

  /** Whether any filter is on. */
  get active() {
    return Boolean(this.search.trim() || this.types.size || this.voices.size || this.stances.size || this.checkable);
  }

  toggle(head, label, target) {
    if (head !== "stances") return flip(this[head], label);
    const chosen = this.stances.get(target) ?? new Set();
    flip(chosen, label);
    if (chosen.size) this.stances.set(target, chosen);
    else this.stances.delete(target);
  }

  has(head, label, target) {
    return head === "stances" ? Boolean(this.stances.get(target)?.has(label)) : this[head].has(label);
  }

  matches(sentence) {
    if (this.checkable && !sentence.checkable) return false;
    if (this.voices.size && !this.voices.has(sentence.voice.label)) return false;
    if (this.types.size && !sentence.types.some((type) => this.types.has(type.label))) return false;
    for (const [target, labels] of this.stances) if (!labels.has(sentence.stances[target].label)) return false;
    const search = fold(this.search.trim());
    return !search || fold(sentence.text).includes(search);
  }
}

function flip(set, value) {
  if (!set.delete(value)) set.add(value);
}
