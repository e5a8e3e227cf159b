// The last people without a mask; each opens larger.

import { labelText } from "./draw.js";

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export class Episodes {
  #announcer;
  #list = document.getElementById("episodes");
  #items = new Map();
  #isFirst = true;
  #dialog = document.getElementById("episode-dialog");
  #opened = null;

  constructor(announcer) {
    this.#announcer = announcer;
    document.getElementById("episode-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => (this.#opened = null));
  }

  // Newest first. What is there stays where it is, and with it the focus.
  show(episodes) {
    for (const [at, episode] of episodes.entries()) {
      const item = this.#items.get(episode.id) ?? this.#added(episode);
      fill(item, episode);
      item.onclick = ({ target }) => target.closest("button") && this.#open(episode);
      if (this.#list.children[at] !== item) this.#list.insertBefore(item, this.#list.children[at] ?? null);
      if (this.#opened === episode.id) this.#detail(episode);
    }
    const shown = new Set(episodes.map((episode) => episode.id));
    for (const [id, item] of this.#items) {
      if (shown.has(id)) continue;
      item.remove();
      this.#items.delete(id);
    }
    this.#isFirst = false;
    document.getElementById("no-episodes").hidden = episodes.length > 0;
  }

  #added(episode) {
    const item = document.getElementById("episode").content.firstElementChild.cloneNode(true);
    item.dataset.id = episode.id;
    this.#items.set(episode.id, item);
    if (!this.#isFirst) this.#announcer.happened(`${episode.camera}: ${labelText(episode.label)}`);
    return item;
  }

  #open(episode) {
    this.#opened = episode.id;
    this.#detail(episode);
    this.#dialog.showModal();
  }

  #detail(episode) {
    showPicture(this.#dialog.querySelector("img"), episode);
    const without = this.#dialog.querySelector(".empty");
    without.hidden = episode.has_thumbnail;
    this.#dialog.querySelector("h2").textContent = labelText(episode.label);
    const begun = new Date(episode.begun_at);
    const texts = { where: episode.camera, when: dateAndTime.format(begun), end: endText(episode, begun) };
    for (const [name, text] of Object.entries(texts)) this.#dialog.querySelector(`.${name}`).textContent = text;
  }
}

function fill(item, episode) {
  showPicture(item.querySelector("img"), episode);
  item.dataset.label = episode.label;
  item.querySelector(".what").textContent = labelText(episode.label);
  const begun = new Date(episode.begun_at);
  item.querySelector(".where").textContent = `${episode.camera}, ${time.format(begun)}`;
  item.querySelector(".end").textContent = endText(episode, begun);
}

function showPicture(image, { id, has_thumbnail: hasPicture, ended_at: endedAt }) {
  image.hidden = !hasPicture;
  if (!hasPicture) return;
  const source = `/live/episodes/${encodeURIComponent(id)}.jpg?${endedAt ? "ended" : "begun"}`;
  if (image.getAttribute("src") !== source) image.src = source;
}

function endText({ ended_at: endedAt, is_mask_put_on: isPutOn }, begun) {
  const mask = isPutOn === true ? ", mask put on" : isPutOn === false ? ", no mask put on" : "";
  if (!endedAt) return `not over yet${mask}`;
  const seconds = Math.max(0, Math.round((new Date(endedAt) - begun) / 1000));
  return `${seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`}${mask}`;
}
