// The live page: one connection, a card a camera, the last episodes, this device's camera.

import { Announcer } from "./announcer.js";
import { CameraCard } from "./camera.js";
import { Connection } from "./connection.js";
import { Episodes } from "./episodes.js";
import { OwnCamera } from "./own.js";

const REFRESH_MS = 200;
const CONNECTION = { live: "Connected", silent: "No answer", lost: "Connection lost", waiting: "Connecting" };
const cards = new Map();
const connection = new Connection();
const own = new OwnCamera();
const announcer = new Announcer(document.getElementById("announcements"));
const episodes = new Episodes(announcer);
announcer.suppose("connection", CONNECTION.live);

function card(name) {
  if (!cards.has(name)) cards.set(name, new CameraCard(name, connection, announcer));
  return cards.get(name);
}

connection.addEventListener("board", ({ detail }) => {
  const grid = document.getElementById("cameras");
  for (const camera of detail.cameras) card(camera.name).report(camera, detail.has_controls);
  const names = detail.cameras.map((camera) => camera.name);
  for (const name of cards.keys()) if (!names.includes(name)) cards.delete(name);
  const elements = names.map((name) => cards.get(name).element);
  const isSame = elements.length === grid.children.length && elements.every((element, at) => element === grid.children[at]);
  if (elements.length && !isSame) grid.replaceChildren(...elements);
  const up = detail.cameras.filter((camera) => camera.state === "up").length;
  document.getElementById("summary").textContent = names.length ? `${up} of ${names.length} up` : "";
  document.getElementById("sign-out").hidden = !detail.has_login;
  own.offer(detail.cameras.filter((camera) => camera.is_browser).map((camera) => camera.name));
  episodes.show(detail.episodes);
});

connection.addEventListener("frame", ({ detail }) => card(detail.header.camera).take(detail));

connection.addEventListener("state", ({ detail }) => {
  document.getElementById("connection").dataset.state = detail;
  document.getElementById("connection-text").textContent = CONNECTION[detail];
  announcer.state("connection", CONNECTION[detail]);
  for (const each of cards.values()) each.refresh();
});

setInterval(() => {
  for (const each of cards.values()) each.refresh();
}, REFRESH_MS);

connection.open();
