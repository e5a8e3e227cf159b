// This device's camera: one frame at a time goes to the detector, the answer is drawn on that frame.
// It can also stand in for a camera whose source is "browser": then the frames go there, and its card shows what is seen.

import { describeFaces, drawFrame } from "./draw.js";

const WIDTH_MAX = 640;
const INTERVAL_MS = 200;
const WITHOUT_TRACE = "Each picture is judged and forgotten: nothing is stored, nobody is alerted.";
const WITHOUT_CAMERA = "This browser offers no camera here: open this page by https, or on the device itself as http://localhost.";

export class OwnCamera {
  #stream = null;
  #isStarting = false;
  #video = document.createElement("video");
  #grab = document.createElement("canvas");
  #root = document.getElementById("own");
  #button = document.getElementById("own-button");
  #note = document.getElementById("own-note");
  #facts = document.getElementById("own-facts");
  #feed = document.getElementById("own-feed");

  constructor() {
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
      this.#note.textContent = WITHOUT_CAMERA;
      this.#button.disabled = true;
      return;
    }
    this.#button.addEventListener("click", () => (this.#stream ? this.stop() : this.start()));
  }

  // The cameras that it can stand in for.
  offer(names) {
    const chosen = this.#feed.value;
    const known = [...this.#feed.options].slice(1).map((option) => option.value);
    if (known.join("\n") === names.join("\n")) return;
    this.#feed.replaceChildren(this.#feed.options[0], ...names.map((name) => new Option(`Be the camera ${name}`, name)));
    this.#feed.value = names.includes(chosen) ? chosen : "";
    this.#feed.parentElement.hidden = !names.length;
  }

  // The button stays enabled while it is waited for: a disabled one would lose the focus.
  async start() {
    if (this.#isStarting) return;
    this.#isStarting = true;
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" }, audio: false });
    } catch (error) {
      this.#note.textContent = `The camera cannot be used: ${error.message}`;
      return;
    } finally {
      this.#isStarting = false;
    }
    this.#stream.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera has gone away."));
    this.#video.muted = true;
    this.#video.playsInline = true;
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#show(true);
    this.#run(this.#stream);
  }

  stop(note = this.#feed.value ? "Stopped." : "Stopped. Nothing was stored.") {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#show(false);
    this.#note.textContent = note;
  }

  #show(isOn) {
    this.#root.querySelector(".screen").hidden = !isOn;
    this.#facts.hidden = !isOn;
    this.#button.textContent = isOn ? "Stop this device's camera" : "Use this device's camera";
    this.#feed.disabled = isOn;
    if (isOn) this.#note.textContent = this.#feed.value ? `This device is the camera ${this.#feed.value}: whoever wears no mask before it becomes an alert.` : WITHOUT_TRACE;
  }

  // One frame in flight: the next is taken when the answer to this one has been drawn.
  async #run(stream) {
    while (this.#stream === stream) {
      const begun = performance.now();
      const waitMs = (await this.#step(stream)) ?? Math.max(0, INTERVAL_MS - (performance.now() - begun));
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  // Returns how long to wait when the detector asked for it.
  async #push(jpeg, begun) {
    const answer = await fetch(`/v1/cameras/${encodeURIComponent(this.#feed.value)}/frames`, { method: "POST", body: jpeg });
    if (answer.status === 401) location.assign("/login");
    if (!answer.ok) return this.#refused(answer, await answer.json());
    drawFrame(this.#root.querySelector("canvas"), this.#grab, [this.#grab.width, this.#grab.height], []);
    this.#facts.textContent = `Taken in ${Math.round(performance.now() - begun)} ms; what is seen is shown above`;
    this.#root.dispatchEvent(new CustomEvent("pushed", { bubbles: true }));
    return null;
  }

  // The same for a picture that is judged and forgotten.
  async #step(stream) {
    const begun = performance.now();
    const jpeg = await this.#grabbed();
    if (!jpeg) return INTERVAL_MS;
    const form = new FormData();
    form.append("file", jpeg, "frame.jpg");
    try {
      if (this.#feed.value) return await this.#push(jpeg, begun);
      const answer = await fetch("/v1/predict", { method: "POST", body: form });
      const body = await answer.json();
      if (answer.status === 401) location.assign("/login");
      if (!answer.ok) return this.#refused(answer, body);
      if (this.#stream !== stream) return 0;
      this.#draw(body, performance.now() - begun);
    } catch {
      this.#facts.textContent = "No answer from the detector: this picture is not live";
      return 1000;
    }
    return null;
  }

  async #grabbed() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!width) return null;
    const scale = Math.min(1, WIDTH_MAX / width);
    this.#grab.width = Math.round(width * scale);
    this.#grab.height = Math.round(height * scale);
    this.#grab.getContext("2d").drawImage(this.#video, 0, 0, this.#grab.width, this.#grab.height);
    return new Promise((resolve) => this.#grab.toBlob(resolve, "image/jpeg", 0.85));
  }

  #refused(answer, body) {
    this.#facts.textContent = `Not judged: ${body.detail}`;
    return 1000 * Number(answer.headers.get("Retry-After") ?? 1);
  }

  #draw(body, tripMs) {
    const faces = body.faces.map(({ box, label, probabilities }) => ({ xyxy: [box.left, box.top, box.right, box.bottom], label, probability: Math.max(...Object.values(probabilities)) }));
    const canvas = this.#root.querySelector("canvas");
    drawFrame(canvas, this.#grab, [body.picture.width_px, body.picture.height_px], faces);
    canvas.setAttribute("aria-label", `Your camera: ${describeFaces(faces)}`);
    const people = faces.length === 1 ? "1 face" : `${faces.length} faces`;
    this.#facts.textContent = `${people} · ${Math.round(body.milliseconds.inference)} ms to judge · ${Math.round(tripMs)} ms there and back`;
    this.#root.dispatchEvent(new CustomEvent("judged", { bubbles: true, detail: body }));
  }
}
