// The last people without a mask.

import { labelText } from "./draw.js";

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function showEpisodes(episodes, announce) {
  const list = document.getElementById("episodes");
  const known = new Map([...list.children].map((item) => [item.dataset.id, item]));
  const isFirst = list.dataset.isFilled === undefined;
  const items = episodes.map((episode) => {
    const item = known.get(episode.id) ?? newItem(episode.id);
    if (!known.has(episode.id) && !isFirst) announce(`${episode.camera}: ${labelText(episode.label)}`);
    fill(item, episode);
    return item;
  });
  list.replaceChildren(...items);
  list.dataset.isFilled = "";
  document.getElementById("no-episodes").hidden = items.length > 0;
}

function newItem(id) {
  const item = document.getElementById("episode").content.firstElementChild.cloneNode(true);
  item.dataset.id = id;
  return item;
}

function fill(item, episode) {
  const image = item.querySelector("img");
  image.hidden = !episode.has_thumbnail;
  if (episode.has_thumbnail) {
    const source = `/live/episodes/${encodeURIComponent(episode.id)}.jpg?${episode.ended_at ? "ended" : "begun"}`;
    if (image.getAttribute("src") !== source) image.src = source;
    image.alt = `${labelText(episode.label)}, ${episode.camera}`;
  }
  item.dataset.label = episode.label;
  item.querySelector(".what").textContent = labelText(episode.label);
  const begun = new Date(episode.begun_at);
  item.querySelector(".where").textContent = `${episode.camera}, ${time.format(begun)}`;
  item.querySelector(".end").textContent = endText(episode, begun);
}

function endText({ ended_at: endedAt, is_mask_put_on: isPutOn }, begun) {
  const mask = isPutOn === true ? ", mask put on" : isPutOn === false ? ", no mask put on" : "";
  if (!endedAt) return `still there${mask}`;
  const seconds = Math.max(0, Math.round((new Date(endedAt) - begun) / 1000));
  return `${seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`}${mask}`;
}
