// A small picture of a photo: a 12-megapixel original takes 48 MB as pixels, this takes 1.6.

import { queue } from "./queue.js";

const SIDE = 640;
const SMALL = 100_000; // bytes
const oneAtATime = queue(1);

/** The photo on a canvas, its longer side at most 640 pixels; null if the browser cannot read it. */
export function preview(photo) {
  return oneAtATime(async () => {
    try {
      // Decoded and reduced off the main thread, turned upright like the service does. A small
      // file is left as it is, for a digit of 28 pixels would be blown up.
      const options = photo.size > SMALL ? { resizeWidth: SIDE, resizeQuality: "medium" } : {};
      const full = await createImageBitmap(photo, options);
      const scale = Math.min(1, SIDE / Math.max(full.width, full.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(full.width * scale));
      canvas.height = Math.max(1, Math.round(full.height * scale));
      canvas.getContext("2d").drawImage(full, 0, 0, canvas.width, canvas.height);
      full.close();
      return canvas;
    } catch {
      return null;
    }
  });
}
