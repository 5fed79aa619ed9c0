// The architecture, drawn from the card's layer table.

import { drawing, element, grouped } from "./dom.js";

// Layers that change no shape are named at the layer before them.
const NOTES = new Set(["BatchNormalization", "ReLU", "Activation", "Dropout", "Rescaling", "Add"]);
const SHORT = { BatchNormalization: "norm", Add: "sum", Rescaling: "rescaling" };
const FAMILIES = [
  [/Input/, "input"],
  [/Conv/, "convolution"],
  [/Pooling/, "pooling"],
  [/Dense/, "dense"],
];

/** The diagram, and a table with the same content. */
export function network(card) {
  const blocks = [];
  for (const layer of card.layers) {
    // In parallel paths, the layers of one path stand between those of the other.
    const own = blocks.findLast((block) => layer.name.startsWith(`${block.layer.name}_`));
    if (NOTES.has(layer.kind) && blocks.length > 0) (own ?? blocks.at(-1)).notes.push(layer);
    else blocks.push({ layer, notes: [] });
  }
  const total = `${grouped(card.parameters)} parameters in ${card.layers.length} layers.`;
  return element(
    "div",
    {},
    element("p", { className: "lead", textContent: `${total} ${shapeOf(card)}` }),
    element(
      "div",
      { className: "scroller", tabIndex: 0, role: "region", ariaLabel: "The network, layer by layer" },
      element("ol", { className: "diagram" }, ...blocks.map((block) => item(block, card))),
    ),
    element(
      "details",
      {},
      element("summary", { textContent: "All layers as a table" }),
      element("div", { className: "scroller", tabIndex: 0, role: "region", ariaLabel: "Table of layers" }, table(card)),
    ),
  );
}

function shapeOf(card) {
  const { height, width, channels } = card.input;
  const colours = channels === 3 ? "in colour" : "in grey";
  return `A photo goes in at ${height} × ${width}, ${colours}; ${card.labels.length} labels come out.`;
}

function item({ layer, notes }, card) {
  const parameters = [layer, ...notes].reduce((sum, one) => sum + one.parameters, 0);
  const activation = layer.settings.activation;
  const extras = [
    ...(activation && activation !== "linear" ? [activation] : []),
    ...new Set(notes.map((note) => SHORT[note.kind] ?? spaced(note.kind))),
  ];
  return element(
    "li",
    { className: family(layer) },
    block(layer, card),
    element("span", { className: "name" }, ...broken(layer.name)),
    element("span", { className: "kind", textContent: [spaced(layer.kind), ...extras].join(" + ") }),
    element("span", { className: "shape", textContent: layer.output_shape.join("×") }),
    element("span", {
      className: "parameters",
      textContent: parameters ? `${grouped(parameters)} parameters` : "no parameters",
    }),
  );
}

/** "GlobalAveragePooling2D" as "Global average pooling", which can be broken into lines. */
function spaced(kind) {
  return kind.replace(/2D$/, "").replaceAll(/([a-z])([A-Z][a-z])/g, (_, end, start) => `${end} ${start.toLowerCase()}`);
}

/** A name that can be broken after each underscore. */
function broken(name) {
  const parts = name.split(/(?<=_)/);
  return parts.flatMap((part, index) => (index ? [element("wbr"), part] : [part]));
}

const family = (layer) => FAMILIES.find(([pattern]) => pattern.test(layer.kind))?.[1] ?? "other";

/** A box whose height shows the map's side (by its square root) and whose depth its channels. */
function block(layer, card) {
  const shape = layer.output_shape;
  const flat = shape.length === 1;
  const side = flat ? 8 : 10 + 58 * Math.sqrt(shape[0] / card.input.height);
  const depth = 3 + 3.2 * Math.log2(flat ? 1 : shape[2]);
  const height = flat ? 14 + 4 * Math.log2(shape[0]) : side;
  const slant = flat ? 3 : side * 0.32;
  const box = { width: depth + slant + 2, height: height + slant + 2 };
  const at = (points) => points.map(([x, y]) => `${x + 1},${y + 1}`).join(" ");
  return drawing(
    "svg",
    { width: box.width, height: box.height, viewBox: `0 0 ${box.width} ${box.height}`, "aria-hidden": "true" },
    drawing("polygon", { class: "front", points: at([[0, slant], [depth, slant], [depth, slant + height], [0, slant + height]]) }),
    drawing("polygon", { class: "top", points: at([[0, slant], [slant, 0], [slant + depth, 0], [depth, slant]]) }),
    drawing("polygon", { class: "flank", points: at([[depth, slant], [depth + slant, 0], [depth + slant, height], [depth, slant + height]]) }),
  );
}

function table(card) {
  const rows = card.layers.map((layer) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", textContent: layer.name }),
      element("td", { textContent: layer.kind }),
      element("td", { className: "shape", textContent: layer.output_shape.join("×") }),
      element("td", { className: "number", textContent: grouped(layer.parameters) }),
    ),
  );
  const heads = ["Layer", "Kind", "Output", "Parameters"].map((text) =>
    element("th", { scope: "col", textContent: text }),
  );
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}
