// A square to draw a digit in. The drawing is prepared as the digits of MNIST were: white on black,
// scaled to fit 20 x 20 pixels, with its centre of mass in the middle of 28 x 28.

import { byId, element } from "./dom.js";

const SIDE = 280;
const PEN = 22;
const STEP = 10; // pixels that an arrow key moves the pen

/** Build the square. It calls `answer(file, canvas)` after each stroke, `clear()` when emptied. */
export function square(answer, clear) {
  const canvas = element("canvas", { width: SIDE, height: SIDE, tabIndex: 0, className: "square" });
  canvas.setAttribute("role", "application");
  canvas.setAttribute(
    "aria-label",
    "Square to draw a digit in. Arrow keys move the pen; with Shift they draw.",
  );
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  wipe(pen);
  let timer = 0;
  const finish = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const small = fitted(canvas, pen);
      if (small) answer(await fileOf(small), small);
    }, 150);
  };
  byPointer(canvas, pen, finish);
  byKeys(canvas, pen, finish);
  const reset = () => {
    clearTimeout(timer);
    wipe(pen);
    clear();
  };
  byId("drawing").replaceChildren(
    element("p", { className: "drop-title", textContent: "or draw a digit" }),
    canvas,
    element("div", { className: "buttons" }, element("button", { type: "button", textContent: "Clear", onclick: reset })),
    element("p", { className: "hint", textContent: "With the keyboard: arrow keys move, with Shift they draw." }),
  );
  byId("drawing").hidden = false;
}

function wipe(pen) {
  pen.fillStyle = "black";
  pen.fillRect(0, 0, SIDE, SIDE);
  pen.strokeStyle = "white";
  pen.lineWidth = PEN;
  pen.lineCap = "round";
  pen.lineJoin = "round";
}

function line(pen, from, to) {
  pen.beginPath();
  pen.moveTo(from.x, from.y);
  pen.lineTo(to.x, to.y);
  pen.stroke();
}

function byPointer(canvas, pen, finish) {
  let last = null;
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = SIDE / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = point(event);
    line(pen, last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const next = point(event);
    line(pen, last, next);
    last = next;
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (last) finish();
      last = null;
    });
  }
}

function byKeys(canvas, pen, finish) {
  const moves = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
  let at = { x: SIDE / 2, y: SIDE / 4 };
  canvas.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const inside = (value) => Math.min(SIDE - PEN, Math.max(PEN, value));
    const next = { x: inside(at.x + STEP * move[0]), y: inside(at.y + STEP * move[1]) };
    if (event.shiftKey) line(pen, at, next);
    at = next;
    if (event.shiftKey) finish();
  });
}

/** The drawing in MNIST's form, on a canvas of 28 x 28; null if nothing is drawn. */
function fitted(canvas, pen) {
  const { data } = pen.getImageData(0, 0, SIDE, SIDE);
  let [left, top, right, bottom, mass, x, y] = [SIDE, SIDE, -1, -1, 0, 0, 0];
  for (let index = 0; index < SIDE * SIDE; index += 1) {
    const value = data[4 * index];
    if (value < 32) continue;
    const [column, row] = [index % SIDE, Math.floor(index / SIDE)];
    [left, right] = [Math.min(left, column), Math.max(right, column)];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
    [mass, x, y] = [mass + value, x + value * column, y + value * row];
  }
  if (mass === 0) return null;
  const scale = 20 / Math.max(right - left + 1, bottom - top + 1);
  const small = element("canvas", { width: 28, height: 28 });
  const context = small.getContext("2d");
  context.fillRect(0, 0, 28, 28);
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 14 - (x / mass) * scale, 14 - (y / mass) * scale, SIDE * scale, SIDE * scale);
  return small;
}

async function fileOf(canvas) {
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new File([blob], "Your drawing", { type: "image/png" });
}
