// One camera's card: picture, boxes, and an honest word on how old the picture is.

import { describeFaces, drawFrame } from "./draw.js";

const OLD_MS = 1500;
const WORDS = { live: "Live", old: "Frozen", down: "Down", stopped: "Stopped", waiting: "Waiting", lost: "No connection" };

export class CameraCard {
  #connection;
  #canvas;
  #next = null;
  #isDrawing = false;
  #takenMs = null;
  #header = null;
  #state = "waiting";
  #reason = "";
  #told = 0;

  constructor(name, connection, announce) {
    this.name = name;
    this.#connection = connection;
    this.announce = announce;
    this.element = document.getElementById("camera").content.firstElementChild.cloneNode(true);
    this.element.dataset.camera = name;
    this.element.querySelector("h3").textContent = name;
    this.#canvas = this.element.querySelector("canvas");
    this.#canvas.setAttribute("aria-label", `${name}: no picture yet`);
    this.button.addEventListener("click", () => this.#toggle());
  }

  get button() {
    return this.element.querySelector("button");
  }

  // What the detector says of the camera.
  report({ state, reason }, hasControls) {
    this.#state = state;
    this.#reason = reason;
    const isStopped = state === "stopped";
    this.button.hidden = !hasControls;
    this.button.disabled = false;
    this.button.textContent = isStopped ? "Start" : "Stop";
    this.button.setAttribute("aria-label", `${isStopped ? "Start" : "Stop"} ${this.name}`);
    this.refresh();
  }

  // The latest frame wins: one that waits for another to be decoded gives way to a newer one.
  async take(frame) {
    if (this.#next) this.#connection.drawn(this.name);
    this.#next = frame;
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    while (this.#next) {
      const { header, jpeg } = this.#next;
      this.#next = null;
      await this.#draw(header, jpeg);
      this.#connection.drawn(this.name);
    }
    this.#isDrawing = false;
  }

  async #draw(header, jpeg) {
    let image = null;
    try {
      image = jpeg && (await createImageBitmap(jpeg));
    } catch {
      return;
    }
    await new Promise(requestAnimationFrame);
    drawFrame(this.#canvas, image, header.size_wh, header.faces);
    image?.close();
    this.#takenMs = header.taken_ms;
    this.#header = header;
    this.refresh();
    const age = this.#age();
    this.element.dispatchEvent(new CustomEvent("shown", { bubbles: true, detail: { camera: this.name, sequence: header.sequence, age_ms: age } }));
  }

  #age() {
    const now = this.#connection.now();
    return now === null || this.#takenMs === null ? null : Math.max(0, now - this.#takenMs);
  }

  // Says what is true now; called several times a second, whether frames come or not.
  refresh() {
    const age = this.#age();
    const state = this.#judge(age);
    const badge = this.element.querySelector(".badge");
    if (badge.dataset.state !== state) {
      if (state !== "waiting") this.announce(`${this.name}: ${WORDS[state]}`);
      badge.dataset.state = state;
      badge.querySelector(".text").textContent = WORDS[state];
    }
    const veil = this.element.querySelector(".veil");
    veil.hidden = state === "live";
    setText(veil, this.#veilText(state, age));
    this.element.classList.toggle("stale", state !== "live");
    setText(this.element.querySelector(".facts"), this.#facts(age));
    this.#describe(state);
  }

  #judge(age) {
    if (!this.#connection.isLive) return age === null ? "waiting" : "lost";
    if (this.#state !== "up") return this.#state;
    if (age === null) return "waiting";
    return age > OLD_MS ? "old" : "live";
  }

  #veilText(state, age) {
    const old = age === null ? "" : `Picture of ${spoken(age)} ago`;
    const reason = this.#reason ? `: ${this.#reason}` : "";
    if (state === "down") return [`Camera down${reason}`, old].filter(Boolean).join(". ");
    if (state === "stopped") return "Stopped";
    if (state === "waiting") return "Waiting for a picture";
    return old;
  }

  #facts(age) {
    if (!this.#header) return "";
    const { fps, inference_ms: inference, faces } = this.#header;
    const people = faces.length === 1 ? "1 face" : `${faces.length} faces`;
    return `${fps.toFixed(1)} fps · ${Math.round(inference)} ms · ${people} · ${age === null ? "–" : (age / 1000).toFixed(1)} s old`;
  }

  // A screen reader that comes by hears who is in view; it is not told every frame.
  #describe(state) {
    const now = performance.now();
    if (now - this.#told < 2000) return;
    this.#told = now;
    const seen = this.#header ? describeFaces(this.#header.faces) : "no picture yet";
    this.#canvas.setAttribute("aria-label", `${this.name}, ${WORDS[state]}: ${seen}`);
  }

  async #toggle() {
    const action = this.#state === "stopped" ? "start" : "stop";
    this.button.disabled = true;
    try {
      const answer = await fetch(`/live/cameras/${encodeURIComponent(this.name)}/${action}`, { method: "POST" });
      if (!answer.ok) throw new Error((await answer.json()).detail);
    } catch (error) {
      this.announce(`${this.name}: ${error.message}`);
    }
    this.button.disabled = false;
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function spoken(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
