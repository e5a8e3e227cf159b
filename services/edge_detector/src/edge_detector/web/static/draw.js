// Boxes on a canvas; class is told by text and line, not by colour alone.

const LABELS = {
  mask: { text: "mask", colour: "#0a7d4b", dash: [] },
  no_mask: { text: "no mask", colour: "#c81e3a", dash: [] },
  bad_mask: { text: "badly worn", colour: "#a15c00", dash: [] },
  unsure: { text: "unsure", colour: "#4c5964", dash: [6, 4] },
};

export function labelText(label) {
  return (LABELS[label] ?? LABELS.unsure).text;
}

// Draws `image` (null: grey) filling the canvas, then the faces, whose corners are in px of a
// frame of `sizeWh`.
export function drawFrame(canvas, image, sizeWh, faces) {
  const [width, height] = sizeWh;
  const shownWidth = image ? image.width : Math.min(width, 640);
  const shownHeight = image ? image.height : Math.round((shownWidth * height) / width);
  if (canvas.width !== shownWidth || canvas.height !== shownHeight) {
    canvas.width = shownWidth;
    canvas.height = shownHeight;
  }
  const context = canvas.getContext("2d");
  if (image) {
    context.drawImage(image, 0, 0);
  } else {
    context.fillStyle = "#6b747c";
    context.fillRect(0, 0, shownWidth, shownHeight);
    context.fillStyle = "#ffffff";
    context.font = "600 15px system-ui, sans-serif";
    context.fillText("Picture withheld for privacy", 14, 26);
  }
  for (const face of faces) drawFace(context, face, shownWidth / width);
}

function drawFace(context, face, scale) {
  const [left, top, right, bottom] = face.xyxy.map((side) => side * scale);
  const { text, colour, dash } = LABELS[face.label] ?? LABELS.unsure;
  const unit = Math.max(1, context.canvas.width / 640);
  context.lineWidth = 5 * unit;
  context.strokeStyle = "#ffffff";
  context.strokeRect(left, top, right - left, bottom - top);
  context.lineWidth = 3 * unit;
  context.strokeStyle = colour;
  context.setLineDash(dash.map((part) => part * unit));
  context.strokeRect(left, top, right - left, bottom - top);
  context.setLineDash([]);
  const track = face.track == null ? "" : `#${face.track} `;
  const caption = `${track}${text} ${Math.round(100 * face.probability)} %`;
  context.font = `600 ${15 * unit}px system-ui, sans-serif`;
  const width = context.measureText(caption).width + 12 * unit;
  const height = 22 * unit;
  const y = top >= height ? top - height : Math.min(bottom, context.canvas.height - height);
  const x = Math.max(0, Math.min(left, context.canvas.width - width));
  context.fillStyle = colour;
  context.fillRect(x, y, width, height);
  context.fillStyle = "#ffffff";
  context.fillText(caption, x + 6 * unit, y + 16 * unit);
}

export function describeFaces(faces) {
  if (!faces.length) return "nobody in view";
  return faces.map((face) => labelText(face.label)).join(", ");
}
