// What a screen reader is told: a sentence every few seconds at most, and of each thing its last word only.

const QUIET_MS = 1000;
const PAUSE_MS = 5000;

export class Announcer {
  #element;
  #said = new Map();
  #states = new Map();
  #happenings = new Set();
  #timer = null;
  #spokenAt = -Infinity;

  constructor(element) {
    this.#element = element;
  }

  // What is known of a thing without being said.
  suppose(about, text) {
    this.#said.set(about, text);
  }

  // How a thing is now; a state that did not last is not worth a word.
  state(about, text) {
    this.#states.delete(about);
    if (this.#said.get(about) !== text) this.#states.set(about, text);
    this.#soon();
  }

  happened(text) {
    this.#happenings.add(text);
    this.#soon();
  }

  #soon() {
    const waitMs = Math.max(QUIET_MS, this.#spokenAt + PAUSE_MS - performance.now());
    this.#timer ??= setTimeout(() => this.#speak(), waitMs);
  }

  #speak() {
    this.#timer = null;
    const texts = [...this.#happenings, ...this.#states.values()];
    if (!texts.length) return;
    for (const [about, text] of this.#states) this.#said.set(about, text);
    this.#states.clear();
    this.#happenings.clear();
    this.#spokenAt = performance.now();
    // Another element, so that the same words are heard a second time.
    const sentence = document.createElement("p");
    sentence.textContent = texts.join(". ");
    this.#element.replaceChildren(sentence);
  }
}
