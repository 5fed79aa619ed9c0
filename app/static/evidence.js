// The heatmap over the photo. app/explain/heatmap.py draws the same one.

const FOR = [255, 140, 26];
const AGAINST = [56, 116, 255];
const SIGMA = 0.5; // standard deviation of the bell around a place, in distances between places
const SIDE = 160; // the heatmap's longer side in pixels; the browser scales it up

/**
 * A label's map and bias minus the mean over the labels: a softmax depends on differences only.
 * For two labels the mean is zero.
 */
export function compared(evidence, label) {
  const all = Object.values(evidence);
  const mean = (of) => all.reduce((sum, one) => sum + of(one), 0) / all.length;
  const map = evidence[label].map.map((row, i) =>
    row.map((value, j) => value - mean((one) => one.map[i][j])),
  );
  return { map, bias: evidence[label].bias - mean((one) => one.bias) };
}

/** Draw `values` (rows of numbers) with places at `rows` and `columns` on a canvas. */
export function drawEvidence(canvas, values, rows, columns, aspect) {
  canvas.width = Math.max(1, Math.round(aspect >= 1 ? SIDE : SIDE * aspect));
  canvas.height = Math.max(1, Math.round(aspect >= 1 ? SIDE / aspect : SIDE));
  const largest = Math.max(...values.flat().map(Math.abs)) || 1;
  const down = bells(rows, canvas.height);
  const across = bells(columns, canvas.width);
  const image = new ImageData(canvas.width, canvas.height);
  for (let y = 0; y < canvas.height; y += 1) {
    const line = columns.map((_, j) =>
      rows.reduce((sum, _row, i) => sum + (down[y][i] * values[i][j]) / largest, 0),
    );
    for (let x = 0; x < canvas.width; x += 1) {
      const value = line.reduce((sum, part, j) => sum + part * across[x][j], 0);
      const opacity = Math.min(1, Math.abs(value)) ** 0.7;
      image.data.set([...(value < 0 ? AGAINST : FOR), 255 * opacity], 4 * (y * canvas.width + x));
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** The weight of each place for each pixel: a bell at the place's centre. */
function bells(centres, pixels) {
  const step = centres.length > 1 ? centres[1] - centres[0] : 1;
  const bell = (distance) => Math.exp(-((distance / SIGMA) ** 2) / 2);
  const whole = [-3, -2, -1, 0, 1, 2, 3].reduce((sum, k) => sum + bell(k), 0);
  return Array.from({ length: pixels }, (_, pixel) => {
    const middle = (pixel + 0.5) / pixels;
    // The outermost places reach half a step beyond their centres; the map fades after that.
    const inner = Math.min(Math.max(middle, centres[0]), centres.at(-1));
    const beyond = Math.max(Math.abs(middle - inner) - step / 2, 0) * Math.sign(middle - inner);
    return centres.map((centre) => bell((inner + beyond - centre) / step) / whole);
  });
}
