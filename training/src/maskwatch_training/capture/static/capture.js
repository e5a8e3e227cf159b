// The page: shows what the service says, and tells it what the person does.

import * as camera from "./camera.js";
import * as desk from "./desk.js";
import * as stage from "./stage.js";

const LIVE_EVERY_MS = 60;
const IDLE_EVERY_MS = 1500;
const NAMES = { mask: "mask", no_mask: "no mask", bad_mask: "bad mask" };
const NAMED_KEYS = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down",
  Delete: "delete", Backspace: "backspace", "+": "+", "-": "-", "=": "+",
};
const OF_THE_PICTURE = new Set(["left", "right", "up", "down", "+", "-"]);

const find = (id) => document.getElementById(id);
let state = null;
let painted = 0; // number of the picture on the canvas
let isOver = false;

function tell(text, isError) {
  const notice = find("notice");
  if (notice.textContent !== text) notice.textContent = text;
  notice.classList.toggle("error", isError);
}

async function show(next) {
  if (next.size && next.frame !== painted) {
    const bitmap = await desk.framePicture(next.frame);
    if (!bitmap) return;
    stage.paint(bitmap);
    bitmap.close();
    painted = next.frame;
  }
  state = next;
  if (!stage.isBusy()) stage.show(state);
  tell(state.notice, state.is_error);
  showSource();
  showFaces();
  showSet();
}

function showSource() {
  find("use-server").hidden = !state.server_source;
  find("use-server").textContent = state.server_source ?? "";
  find("use-server").setAttribute("aria-pressed", String(state.source === "server"));
  find("use-browser").setAttribute("aria-pressed", String(state.source === "browser"));
  find("live").hidden = !state.size || !state.is_live;
  find("live").textContent = state.is_held ? "held" : "live";
  find("live").classList.toggle("on", !state.is_held);
  find("hold").hidden = !state.is_live;
  find("hold").firstChild.textContent = state.is_held ? "Go on " : "Hold ";
  find("empty").hidden = Boolean(state.size);
  let text = "Waiting for a picture …";
  if (state.source === "browser" && camera.isLost()) text = "Choose “This camera” above to begin.";
  if (state.has_ended) text = `That was the last picture of ${state.source_name}. Finish, or undo the last one.`;
  find("empty-text").textContent = text;
  for (const button of document.querySelectorAll("[data-key]:not([data-key=u]):not([data-key=p]), #draw")) {
    button.disabled = !state.size;
  }
}

function showFaces() {
  const chips = state.faces.map((face, index) => {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = face.label ?? "";
    chip.textContent = `Face ${index + 1}: ${NAMES[face.label] ?? "which?"}`;
    chip.setAttribute("aria-pressed", String(index === state.selected));
    chip.addEventListener("click", () => send({ do: "select", index }));
    const item = document.createElement("li");
    item.append(chip);
    return item;
  });
  replace(find("faces"), chips, JSON.stringify([state.faces.map((face) => face.label), state.selected]));
}

function showSet() {
  for (const [name, count] of Object.entries(state.counts)) find(`count-${name}`).textContent = count;
  find("total").textContent = state.total;
  if (document.activeElement !== find("person")) find("person").value = state.person;
  find("none-yet").hidden = state.recent.length > 0;
  replace(find("recent"), state.recent.map(thumbnail), JSON.stringify(state.recent));
}

// Only when something changed: the focus must not be lost at every frame.
function replace(list, items, version) {
  if (list.dataset.version === version) return;
  const index = [...list.children].findIndex((item) => item.contains(document.activeElement));
  list.dataset.version = version;
  list.replaceChildren(...items);
  if (index >= 0) (list.children[Math.min(index, items.length - 1)]?.querySelector("button") ?? find("overlay")).focus();
}

function thumbnail(saved) {
  const words = saved.labels.map((label) => NAMES[label]).join(", ") || "no face";
  const picture = document.createElement("img");
  picture.src = desk.pictureUrl(saved.id);
  picture.alt = `Saved picture: ${words}`;
  const caption = document.createElement("span");
  caption.textContent = words;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "×";
  button.title = "Delete this picture";
  button.setAttribute("aria-label", `Delete this picture: ${words}`);
  button.addEventListener("click", () => remove(saved.id));
  const item = document.createElement("li");
  item.className = saved.labels[0] ?? "";
  item.title = `Group ${saved.group}`;
  item.append(picture, caption, button);
  return item;
}

// One after the other, picture and all: what is shown last is what the service said last.
let last = Promise.resolve();
function attempt(task) {
  last = last.then(async () => {
    try {
      const next = await task();
      if (next) await show(next);
    } catch (error) {
      tell(error instanceof TypeError ? "The service does not answer." : error.message, true);
    }
  });
  return last;
}

function send(fields) {
  // What the person saw is meant, whatever a live source has shown since.
  const frame = painted;
  return attempt(() => desk.step({ ...fields, frame: state?.size ? frame : state?.frame ?? 0 }));
}

async function confirm(title, text, yes) {
  find("ask-title").textContent = title;
  find("ask-text").textContent = text;
  find("ask-yes").textContent = yes;
  const dialog = find("ask");
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "yes";
}

async function remove(id) {
  const sure = await confirm("Delete this picture?", "Picture and labels are erased from the set.", "Delete");
  if (sure) await attempt(() => desk.erase(id));
}

async function finish() {
  if (!(await confirm("Finish?", "Everything labelled is saved. The service ends.", "Finish"))) return;
  isOver = true;
  camera.stop();
  await attempt(() => desk.quit());
  document.querySelector("main").inert = true;
  find("finish").disabled = true;
  tell("Finished: this page can be closed.", false);
}

async function choose(name) {
  if (name === "browser") {
    try {
      await camera.start();
    } catch (error) {
      tell(error.message, true);
      return;
    }
  } else {
    camera.stop();
  }
  await attempt(() => desk.choose(name));
}

async function turn() {
  if (document.hidden || stage.isBusy()) return LIVE_EVERY_MS * 4;
  const isMine = state?.source === "browser";
  if (isMine && !camera.isLost() && !state.is_held) {
    const jpeg = await camera.picture();
    if (jpeg) await attempt(() => desk.offer(jpeg));
    return LIVE_EVERY_MS;
  }
  if (!state || !isMine || state.is_held) await attempt(desk.look);
  return state?.is_live && !state.is_held ? LIVE_EVERY_MS : IDLE_EVERY_MS;
}

async function run() {
  while (!isOver) await new Promise(async (resolve) => setTimeout(resolve, await turn()));
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || find("ask").open || isOver) return;
  const at = event.target;
  if (at instanceof HTMLInputElement && at.type !== "checkbox") return;
  const name = NAMED_KEYS[event.key] ?? event.key.toLowerCase();
  const isOnPicture = at === find("overlay");
  if (OF_THE_PICTURE.has(name) && !isOnPicture) return;
  // Space presses the button that has the focus.
  if (name === " " && at instanceof HTMLElement && at.matches("button, input")) return;
  if (name.length === 1 && name !== " " && !find("letters").checked && !isOnPicture) return;
  if (name === "d") stage.drawNext(true);
  else if (name === "q") finish();
  else if (document.querySelector(`[data-key="${CSS.escape(name)}"]`)?.disabled) return;
  else if (/^[mnbesufxp 0-3+-]$|^(left|right|up|down|delete|backspace)$/.test(name)) send({ do: "key", key: name });
  else return;
  event.preventDefault();
}

stage.connect({
  hold: () => send({ do: "hold" }),
  select: (index) => send({ do: "select", index }),
  place: (index, box) => send({ do: "place", index, box }),
  draw: (box) => send({ do: "draw", box }),
});
document.addEventListener("keydown", key);
// A button clicked by hand gives the focus back: Space is a key of the picture again.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("main button, .bar button");
  if (button && event.detail > 0) button.blur();
});
for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => send({ do: "key", key: button.dataset.key }));
}
find("draw").addEventListener("click", () => stage.drawNext(true));
find("use-server").addEventListener("click", () => choose("server"));
find("use-browser").addEventListener("click", () => choose("browser"));
find("finish").addEventListener("click", finish);
find("person-form").addEventListener("submit", (event) => {
  event.preventDefault();
  find("person").blur();
  attempt(() => desk.namePerson(find("person").value));
});
run();
