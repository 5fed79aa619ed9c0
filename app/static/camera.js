// Takes a photo with the camera: the phone's own app, or a viewfinder on the page.

import { byId } from "./dom.js";

/** Let a person take a photo, and call `take([file])` with it. */
export async function openCamera(take) {
  const phone = matchMedia("(pointer: coarse)").matches;
  let stream = null;
  // Browsers give the camera to secure pages only; the file dialog works on every page.
  if (!phone && navigator.mediaDevices) {
    stream = await navigator.mediaDevices
      .getUserMedia({ video: { width: 1280, height: 960 } })
      .catch(() => null);
  }
  if (stream) show(stream, take);
  else byId("snapshot").click();
}

function show(stream, take) {
  const dialog = byId("camera-dialog");
  const video = byId("viewfinder");
  video.srcObject = stream;
  video.play();
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  dialog.addEventListener("close", stop, { once: true });
  byId("camera-close").onclick = () => dialog.close();
  byId("shutter").onclick = async () => {
    const photo = await frame(video);
    dialog.close();
    take([photo]);
  };
  dialog.showModal();
}

async function frame(video) {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  return new File([blob], "camera.jpg", { type: "image/jpeg" });
}
