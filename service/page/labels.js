/**
 * The label scheme as /v1/labels tells it. No label is named in this page: positions carry the meaning that the
 * scheme fixes (voices: the paper, a source, both; stances: for, against, open, not about it).
 */

export const HEADS = ["types", "voices", "stances"];
export const FOR = 0;
export const AGAINST = 1;

/** How many hues and line patterns tags.css has. */
const HUES = 8;

/** What a label means, and the language of that text: English where the scheme has no definition in Arabic. */
export function meaning(label, lang) {
  return lang === "ar" && label.definition_ar
    ? { words: label.definition_ar, lang: "ar" }
    : { words: label.definition, lang: "en" };
}

export class Scheme {
  #heads;

  /** `data` is the reply of GET /v1/labels. */
  constructor(data) {
    const types = data.types.filter((label) => label.id !== data.none?.id);
    const none = data.none ?? null;
    this.name = data.scheme ?? data.name;
    this.none = none?.id;
    this.#heads = {
      types: new Map([...types, ...(none ? [none] : [])].map((label, index) => [label.id, { ...label, index }])),
      voices: new Map(data.voices.map((label, index) => [label.id, { ...label, index }])),
      stances: new Map(data.stances.map((label, index) => [label.id, { ...label, index }])),
    };
  }

  /** The labels of one head, in the scheme's order. */
  all(head) {
    return [...this.#heads[head].values()];
  }

  /** A label by its id; an id that the scheme lacks is shown as it is. */
  get(head, id) {
    return this.#heads[head].get(id) ?? { id, arabic: id, english: id, definition: "", example: "", index: -1 };
  }

  /** Its name in the language of the interface. */
  text(head, id, lang) {
    const label = this.get(head, id);
    return lang === "ar" ? label.arabic : label.english;
  }

  /** CSS class of a claim type: hue and line pattern. */
  hue(id) {
    const { index } = this.get("types", id);
    return id === this.none || index < 0 ? "hue-none" : `hue-${index % HUES}`;
  }

  /** CSS class of a voice or stance. */
  mark(head, id) {
    return `${head === "voices" ? "voice" : "stance"}-${this.get(head, id).index}`;
  }

  iconName(head, id) {
    return `${head === "voices" ? "voice" : "stance"}${this.get(head, id).index}`;
  }

  /** Whether a stance takes no part in the target at all: its chip is left out of the running text. */
  isSilent(id) {
    return this.get("stances", id).index === this.#heads.stances.size - 1;
  }
}
