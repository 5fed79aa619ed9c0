// Takes photos in: dropped, chosen, pasted or from the camera.

import { byId } from "./dom.js";
import { openCamera } from "./camera.js";

/** Call `take(files)` with every photo that the user gives. */
export function listen(take) {
  chosen(take);
  dropped(take);
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length === 0) return;
    event.preventDefault();
    take(files);
  });
  byId("camera").addEventListener("click", () => openCamera(take));
}

function chosen(take) {
  byId("choose").addEventListener("click", () => byId("files").click());
  for (const id of ["files", "snapshot"]) {
    byId(id).addEventListener("change", ({ target }) => {
      take([...target.files]);
      target.value = ""; // so that the same photo can be chosen again
    });
  }
}

function dropped(take) {
  const zone = byId("drop");
  let depth = 0; // the event for entering a child comes before that for leaving its parent
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    zone.classList.toggle("over", depth > 0);
  };
  // A photo may be dropped anywhere: outside of the zone the browser would open it.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("dragenter", () => mark(+1));
  document.addEventListener("dragleave", () => mark(-1));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-depth);
    const files = [...event.dataTransfer.files];
    if (files.length > 0) take(files);
  });
}
