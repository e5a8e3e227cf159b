// The browser's own camera: a stream, and its newest picture as JPEG.

const WIDTH = 1280;
const QUALITY = 0.95;

const video = document.createElement("video");
video.muted = true;
video.playsInline = true;
const canvas = document.createElement("canvas");

function reason(error) {
  const known = {
    NotAllowedError: "The browser was not allowed to use the camera: allow it beside the address.",
    NotFoundError: "The browser finds no camera.",
    NotReadableError: "Another program uses the camera.",
  };
  return new Error(known[error.name] ?? `The camera does not open: ${error.message}`);
}

export async function start() {
  if (video.srcObject) return;
  if (!navigator.mediaDevices) {
    throw new Error("A browser lends its camera only to 127.0.0.1, localhost or an https address.");
  }
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { width: { ideal: WIDTH }, facingMode: "user" },
    });
    await video.play();
  } catch (error) {
    stop();
    throw reason(error);
  }
}

export function stop() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

export const isLost = () => !video.srcObject?.getVideoTracks().some((t) => t.readyState === "live");

export async function picture() {
  if (!video.videoWidth) return null;
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}
