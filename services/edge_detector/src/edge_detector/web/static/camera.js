// One camera's card: picture, boxes, and an honest word on how old the picture is.

import { describeFaces, drawFrame } from "./draw.js";

// A picture is old after so long, or after so many frames of a camera that is slower than that.
const OLD_MS = 1500;
const OLD_MS_MAX = 10_000;
const OLD_FRAMES = 2.5;
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
  #isAsking = false;
  #inferenceMs = 0;

  constructor(name, connection, announcer) {
    this.name = name;
    this.#connection = connection;
    this.announcer = announcer;
    announcer.suppose(name, `${name}: ${WORDS.live}`);
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
    // Where nothing moved no model looked: what the last look took stays.
    this.#inferenceMs = header.inference_ms || this.#inferenceMs;
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
      // That the connection is lost is said once, not by every card.
      if (state !== "waiting" && state !== "lost") this.announcer.state(this.name, `${this.name}: ${WORDS[state]}`);
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
    return age > this.#oldMs() ? "old" : "live";
  }

  #oldMs() {
    const fps = this.#header?.fps;
    return fps ? Math.min(OLD_MS_MAX, Math.max(OLD_MS, (1000 * OLD_FRAMES) / fps)) : OLD_MS;
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
    const { fps, faces } = this.#header;
    const people = faces.length === 1 ? "1 face" : `${faces.length} faces`;
    return `${fps.toFixed(1)} fps · ${Math.round(this.#inferenceMs)} ms · ${people} · ${age === null ? "–" : (age / 1000).toFixed(1)} s old`;
  }

  // A screen reader that comes by hears who is in view; it is not told every frame.
  #describe(state) {
    const now = performance.now();
    if (now - this.#told < 2000) return;
    this.#told = now;
    const seen = this.#header ? describeFaces(this.#header.faces) : "no picture yet";
    this.#canvas.setAttribute("aria-label", `${this.name}, ${WORDS[state]}: ${seen}`);
  }

  // The button stays enabled while it is waited for: a disabled one would lose the focus.
  async #toggle() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const action = this.#state === "stopped" ? "start" : "stop";
    let trouble = "";
    try {
      const answer = await fetch(`/live/cameras/${encodeURIComponent(this.name)}/${action}`, { method: "POST" });
      if (!answer.ok) trouble = (await answer.json()).detail;
    } catch {
      trouble = "No answer from the detector: try again";
    }
    this.#isAsking = false;
    const shown = this.element.querySelector(".trouble");
    shown.hidden = !trouble;
    setText(shown, trouble);
    if (trouble) this.announcer.happened(`${this.name}: ${trouble}`);
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
