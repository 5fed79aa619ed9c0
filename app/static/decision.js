// The decision about a photo in words: accepted, unsure or unknown.

import { element, percent, rate } from "./dom.js";

const UNKNOWN = "This does not look like anything that I know";
const NAMED = 4; // the most labels that are named one by one

/** One line for the live region. */
export function inBrief(answer) {
  if (answer.decision === "unknown") return UNKNOWN;
  if (answer.decision === "unsure") return `Not sure: ${possible(answer)}`;
  return `${answer.label}, ${percent(answer.probability)}`;
}

/**
 * The lines above the alternatives, most important first. An answer without a decision has the
 * label and the probability only. `error` is the error rate of the set of labels, null if unknown.
 */
export function verdict(answer, error) {
  return lines(answer, error).filter(Boolean);
}

function lines(answer, error) {
  if (answer.decision === "unknown") {
    return [headline(UNKNOWN), facts(nearest(answer), unfamiliar(answer)), labelled(answer, "minor")];
  }
  if (answer.decision === "unsure") {
    const words = `Not sure: ${possible(answer)}`;
    return [headline(words), facts(promise(answer, error), familiar(answer)), labelled(answer, "minor")];
  }
  return [labelled(answer), answer.decision === "accept" && facts(familiar(answer))];
}

const headline = (words) => element("p", { className: "decision", textContent: words });

function facts(...sentences) {
  const textContent = sentences.filter(Boolean).join(" ");
  return textContent && element("p", { className: "facts", textContent });
}

function labelled(answer, rank = "") {
  return element(
    "p",
    { className: `verdict ${rank}`.trim(), "data-probability": answer.probability },
    ...(rank ? [element("span", { textContent: "Most probable label:" }), " "] : []),
    element("span", { className: "label", textContent: answer.label }),
    " ",
    element("span", { className: "probability", textContent: percent(answer.probability) }),
  );
}

/** "cat or dog". Of many labels, the most probable ones and the number of the others. */
function possible({ labels, probabilities }) {
  const ranked = [...labels].sort((a, b) => probabilities[b] - probabilities[a]);
  if (ranked.length <= NAMED) return `${ranked.slice(0, -1).join(", ")} or ${ranked.at(-1)}`;
  const named = ranked.slice(0, NAMED - 1);
  return `${named.join(", ")} or one of ${ranked.length - named.length} more`;
}

function promise({ labels }, error) {
  const at = error === null ? "" : `At an error rate of ${rate(error)}, `;
  return `${at}${at ? "each" : "Each"} of these ${labels.length} labels is possible.`;
}

function nearest(answer) {
  if (!answer.nearest) return "";
  const similarity = `${Math.round(100 * answer.nearest.similarity)} %`.replace("-", "−");
  return `The most similar training photo has the label ${answer.nearest.label} and a similarity of ${similarity}.`;
}

function unfamiliar({ familiarity }) {
  if (familiarity === null) return "";
  const share = familiarity === 0 ? "all" : `${inText(1 - familiarity)} of`;
  return `This photo is less familiar than ${share} known photos.`;
}

function familiar({ familiarity }) {
  if (familiarity === null) return "";
  return `This photo is at least as familiar as ${inText(familiarity)} of known photos.`;
}

const inText = (share) => percent(share).replace("> ", "more than ").replace("< ", "less than ");
