// Decodes and scales photos down in a thread of its own.

const SIDE = 640;
const SMALL = 100_000; // bytes

self.addEventListener("message", async ({ data: { id, photo } }) => {
  try {
    // Turned upright by its EXIF tag, as the service does. A small file keeps its size:
    // a digit of 28 pixels would be enlarged.
    const options = photo.size > SMALL ? { resizeWidth: SIDE, resizeQuality: "medium" } : {};
    const full = await createImageBitmap(photo, options);
    const scale = Math.min(1, SIDE / Math.max(full.width, full.height));
    const size = [full.width, full.height].map((side) => Math.max(1, Math.round(side * scale)));
    const canvas = new OffscreenCanvas(...size);
    canvas.getContext("2d").drawImage(full, 0, 0, ...size);
    full.close();
    const picture = canvas.transferToImageBitmap();
    self.postMessage({ id, picture }, [picture]);
  } catch {
    self.postMessage({ id, picture: null });
  }
});
