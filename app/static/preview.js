// A small picture of a photo: a 12-megapixel original takes 48 MB as pixels, this takes 1.6.

import { queue } from "./queue.js";

const oneAtATime = queue(1);
const worker = new Worker(new URL("preview-worker.js", import.meta.url));
const waiting = new Map();
let last = 0;

worker.addEventListener("message", ({ data: { id, picture } }) => {
  waiting.get(id)(picture);
  waiting.delete(id);
});

/** The photo on a canvas, its longer side at most 640 pixels; null if the browser cannot read it. */
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
