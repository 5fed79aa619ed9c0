// A small copy of a photo, because the pixels of the original may take 50 MB and more.

import { queue } from "./queue.js";

const oneAtATime = queue(1);
const worker = new Worker(new URL("preview-worker.js", import.meta.url));
const waiting = new Map();
let last = 0;

worker.addEventListener("message", ({ data: { id, picture } }) => {
  waiting.get(id)(picture);
  waiting.delete(id);
});

/** The photo on a canvas of at most 640 pixels a side; null if the browser cannot read it. */
export async function preview(photo) {
  const picture = await oneAtATime(() => {
    const id = (last += 1);
    return new Promise((done) => {
      waiting.set(id, done);
      worker.postMessage({ id, photo });
    });
  });
  if (!picture) return null;
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(picture);
  return canvas;
}
