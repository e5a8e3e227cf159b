// The picture with its boxes, and the hands on them: mouse, finger, pen.

const SVG = "http://www.w3.org/2000/svg";
const REACH = { mouse: 9, pen: 12, touch: 24 }; // px of the screen: how near to an edge it is held
const LEAST = 8; // px of the picture, as in boxes.py

const overlay = document.getElementById("overlay");
const canvas = document.getElementById("picture");
let state = null;
let hand = null; // what the pointer holds
let isDrawing = false; // the next drag draws, wherever it begins
let act = { hold() {}, select() {}, place() {}, draw() {} };

export function connect(actions) {
  act = actions;
}

export function drawNext(is) {
  isDrawing = is;
  document.getElementById("stage").classList.toggle("drawing", is);
}

export const isBusy = () => hand !== null;

export function paint(bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

export function show(next) {
  state = next;
  canvas.hidden = !state.size;
  overlay.toggleAttribute("hidden", !state.size); // SVG has no such property
  if (!state.size) return;
  overlay.setAttribute("viewBox", `0 0 ${state.size[0]} ${state.size[1]}`);
  redraw();
}

function node(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function rectangle(kind, [x1, y1, x2, y2]) {
  return node("rect", { class: kind, x: x1, y: y1, width: x2 - x1, height: y2 - y1 });
}

function handles([x1, y1, x2, y2], size) {
  const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const at = [[x1, y1], [mx, y1], [x2, y1], [x1, my], [x2, my], [x1, y2], [mx, y2], [x2, y2]];
  return at.map(([x, y]) => rectangle("handle", [x - size, y - size, x + size, y + size]));
}

function redraw() {
  const unit = scale();
  const groups = state.faces.map((face, index) => {
    const isSelected = index === state.selected;
    const box = isSelected && hand?.moved ? hand.moved : face.box;
    const kind = `face ${face.label ?? ""} ${isSelected ? "selected" : ""}`;
    const eyes = face.eyes.map(([cx, cy]) => node("circle", { class: "eye", cx, cy, r: 6 * unit }));
    const parts = [rectangle("back", box), rectangle("box", box), ...eyes];
    return node("g", { class: kind }, ...parts, ...(isSelected ? handles(box, 4.5 * unit) : []));
  });
  if (state.selected !== null) groups.push(...groups.splice(state.selected, 1));
  if (hand?.drawn) groups.push(rectangle("new", hand.drawn));
  overlay.replaceChildren(...groups);
}

// px of the picture for a px of the screen
function scale() {
  const width = overlay.getBoundingClientRect().width;
  const matrix = overlay.getScreenCTM();
  return width && matrix ? 1 / matrix.a : 1;
}

function place(event) {
  const at = new DOMPoint(event.clientX, event.clientY);
  const { x, y } = at.matrixTransform(overlay.getScreenCTM().inverse());
  return [x, y];
}

function side(low, high, at, reach) {
  const near = Math.min(reach, (high - low) / 3);
  if (at <= low + near) return "low";
  return at >= high - near ? "high" : null;
}

function grip([x1, y1, x2, y2], [x, y], reach) {
  if (x < x1 - reach || x > x2 + reach || y < y1 - reach || y > y2 + reach) return null;
  return { across: side(x1, x2, x, reach), down: side(y1, y2, y, reach) };
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function stretch(low, high, held, by, limit) {
  if (held === "low") return [clamp(low + by, 0, high - LEAST), high];
  if (held === "high") return [low, clamp(high + by, low + LEAST, limit)];
  return [low, high];
}

function drag([x1, y1, x2, y2], held, [dx, dy]) {
  const [width, height] = state.size;
  if (!held.across && !held.down) {
    const [mx, my] = [clamp(dx, -x1, width - x2), clamp(dy, -y1, height - y2)];
    return [x1 + mx, y1 + my, x2 + mx, y2 + my];
  }
  const [left, right] = stretch(x1, x2, held.across, dx, width);
  const [top, bottom] = stretch(y1, y2, held.down, dy, height);
  return [left, top, right, bottom];
}

function spanned([ax, ay], [bx, by]) {
  const [width, height] = state.size;
  const inside = (a, limit) => clamp(a, 0, limit);
  return [
    inside(Math.min(ax, bx), width), inside(Math.min(ay, by), height),
    inside(Math.max(ax, bx), width), inside(Math.max(ay, by), height),
  ];
}

// The selected face goes first, then the smallest: a small box may lie within a large one.
function faceAt(at, reach) {
  const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  const order = state.faces.map((face, index) => ({ index, box: face.box }));
  order.sort((a, b) => (b.index === state.selected) - (a.index === state.selected) || area(a.box) - area(b.box));
  for (const { index, box } of order) {
    const held = grip(box, at, index === state.selected ? reach : 0);
    if (held) return { index, box, held };
  }
  return null;
}

overlay.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || hand || !state?.size) return;
  event.preventDefault();
  overlay.focus({ preventScroll: true });
  overlay.setPointerCapture(event.pointerId);
  const start = place(event);
  const reach = (REACH[event.pointerType] ?? REACH.mouse) * scale();
  const found = isDrawing ? null : faceAt(start, reach);
  hand = { start, pointer: event.pointerId, ...found };
  if (found && found.index !== state.selected) {
    state = { ...state, selected: found.index };
    act.select(found.index);
  } else {
    act.hold();
  }
  redraw();
});

overlay.addEventListener("pointermove", (event) => {
  if (hand?.pointer !== event.pointerId) return;
  const at = place(event);
  if (hand.held) hand.moved = drag(hand.box, hand.held, [at[0] - hand.start[0], at[1] - hand.start[1]]);
  else hand.drawn = spanned(hand.start, at);
  redraw();
});

overlay.addEventListener("pointerup", (event) => {
  if (hand?.pointer !== event.pointerId) return;
  const { index, moved, drawn } = hand;
  hand = null;
  drawNext(false);
  if (moved) {
    state.faces[index] = { ...state.faces[index], box: moved };
    act.place(index, moved);
  } else if (drawn && drawn[2] - drawn[0] >= LEAST && drawn[3] - drawn[1] >= LEAST) {
    act.draw(drawn);
  }
  redraw();
});

overlay.addEventListener("pointercancel", () => {
  hand = null;
  redraw();
});

new ResizeObserver(() => state?.size && redraw()).observe(overlay);
