// The one web socket: reconnects, and knows the detector's clock, so that ages are true ones.

const PING_MS = 1000;
const SILENT_MS = 2000;
const BACK_OFF_MAX_MS = 5000;

export class Connection extends EventTarget {
  #socket = null;
  #attempts = 0;
  #offsets = [];
  #heardAt = -Infinity;
  #state = "waiting";

  open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/live/socket`);
    let hasOpened = false;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      hasOpened = true;
      this.#attempts = 0;
      this.#heardAt = performance.now();
      this.#offsets = [];
      this.#ping();
    };
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = () => this.#closed(hasOpened);
    this.#socket = socket;
    this.#timer ??= setInterval(() => this.#ping(), PING_MS);
    this.#watch ??= setInterval(() => this.#look(), 200);
  }

  #timer;
  #watch;

  // Milliseconds on the detector's clock; null until it is known.
  now() {
    if (!this.#offsets.length) return null;
    const best = this.#offsets.reduce((one, other) => (other.trip < one.trip ? other : one));
    return performance.now() + best.offset;
  }

  get isLive() {
    return this.#state === "live";
  }

  drawn(camera) {
    this.#send({ type: "drawn", camera });
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #ping() {
    this.#send({ type: "ping", at_ms: performance.now() });
  }

  #hear(data) {
    this.#heardAt = performance.now();
    if (data instanceof ArrayBuffer) {
      const length = new DataView(data).getUint32(0, true);
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
      const jpeg = data.byteLength > 4 + length ? new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }) : null;
      this.dispatchEvent(new CustomEvent("frame", { detail: { header, jpeg } }));
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "pong") this.#learn(message);
    if (message.type === "board") this.dispatchEvent(new CustomEvent("board", { detail: message }));
  }

  // The reply with the shortest round trip tells the clock best.
  #learn({ at_ms: sentAt, clock_ms: clock }) {
    const trip = performance.now() - sentAt;
    this.#offsets.push({ trip, offset: clock - (sentAt + trip / 2) });
    if (this.#offsets.length > 20) this.#offsets.shift();
    this.#tell("live");
  }

  #look() {
    if (this.#state === "live" && performance.now() - this.#heardAt > SILENT_MS) this.#tell("silent");
  }

  #tell(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }

  async #closed(hasOpened) {
    this.#tell("lost");
    if (!hasOpened || this.#attempts === 0) await signInAgainIfNeeded();
    const wait = Math.min(BACK_OFF_MAX_MS, 500 * 2 ** this.#attempts) * (0.5 + Math.random() / 2);
    this.#attempts += 1;
    setTimeout(() => this.open(), wait);
  }
}

async function signInAgainIfNeeded() {
  try {
    const answer = await fetch("/live/session");
    if (answer.status === 401) location.assign("/login");
  } catch {
    // The detector is away: the caller tries again.
  }
}
