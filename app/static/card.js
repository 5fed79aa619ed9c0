// The model card: figures with their number of photos, and plots.

import { element, grouped } from "./dom.js";
import { row, scroller, table } from "./tables.js";
import { thresholdsOf } from "./thresholds.js";

/** The card's figures, confusion table, thresholds, plots and recipe. */
export function cardOf(card) {
  return element(
    "div",
    {},
    headline(card),
    element("div", { className: "columns" }, ...[figures(card), confusion(card)].filter(Boolean)),
    thresholdsOf(card),
    ...plots(card),
    making(card),
  );
}

function headline(card) {
  const accuracy = card.metrics.test_accuracy;
  if (!accuracy) return null;
  const share = `${(100 * accuracy.value).toFixed(1)} %`;
  const others = card.decisions?.min_familiarity
    ? "A picture that is too unlike the training photos is answered as unknown."
    : "Every picture gets one of the labels, also one that shows none of them.";
  const words = `${share} of ${grouped(accuracy.samples)} test photos are answered right. ${others}`;
  return element("p", { className: "lead", textContent: words });
}

function figures(card) {
  if (Object.keys(card.metrics).length === 0) return null;
  const rows = Object.entries(card.metrics).map(([name, metric]) => {
    const interval = metric.low === null ? "" : `${round(metric.low)} to ${round(metric.high)}`;
    return row(name.replaceAll("_", " "), round(metric.value), interval, grouped(metric.samples));
  });
  return scroller("Measured", table(["Figure", "Value", "95 % interval", "Photos"], rows));
}

function confusion(card) {
  if (card.confusion.length === 0) return null;
  const heads = ["True label", ...card.labels];
  const rows = card.labels.map((label, index) => row(label, ...card.confusion[index].map(grouped)));
  return scroller("Answers, by true label", table(heads, rows));
}

function plots(card) {
  const names = Object.keys(card.files).filter((name) => name.endsWith(".png"));
  return names.map((name) =>
    element(
      "figure",
      { className: "plot" },
      element("img", {
        src: `model/plots/${name}`,
        alt: `Plot: ${caption(name)}`,
      }),
      element("figcaption", { textContent: caption(name) }),
    ),
  );
}

function caption(name) {
  const known = {
    "training.png": "Loss and accuracy by epoch, while it was trained",
    "evaluation.png": "Calibration, ROC curve and coverage on the test photos",
  };
  return known[name] ?? name.replace(".png", "").replaceAll(/[-_]/g, " ");
}

function making(card) {
  const entries = { ...card.recipe, ...card.data, ...card.libraries };
  const rows = Object.entries(entries).map(([name, value]) =>
    row(name.replaceAll("_", " "), String(value ?? "none")),
  );
  return element(
    "details",
    {},
    element("summary", { textContent: "How it was made" }),
    scroller("Recipe, data and libraries", table(["What", "Value"], rows, "pairs")),
  );
}

const round = (value) => value.toFixed(4);
