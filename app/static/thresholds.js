// The thresholds of the decisions: what they come from, and what was measured with them.

import { element, grouped, percent, rate } from "./dom.js";
import { row, scroller, table } from "./tables.js";

const LISTED = 4; // classes whose number of photos is told one by one

const BRACKETS = "In brackets: the 95 % interval. After it: the number of photos.";

/** The thresholds in force, and those of the card; null for a model without them. */
export function thresholdsOf({ thresholds, decisions, labels }) {
  if (!thresholds && !decisions) return null;
  const tables = thresholds ? [kept(thresholds), covered(thresholds, labels)].filter(Boolean) : [];
  return element(
    "div",
    { className: "thresholds" },
    element("h3", { textContent: "Thresholds of the decision" }),
    decisions ? element("p", { textContent: inForce(decisions) }) : null,
    thresholds ? element("p", { textContent: origin(thresholds) }) : null,
    element("div", { className: "columns" }, ...tables),
    tables.length > 0 ? element("p", { className: "hint", textContent: BRACKETS }) : null,
  );
}

function inForce({ error, smallest_error, min_familiarity }) {
  const known =
    `A photo is unknown if its familiarity is less than ${rate(min_familiarity)}. ` +
    "Its familiarity is the share of known photos that are at most as familiar as it is.";
  // Rounded up, so that a request can ask for the figure that is shown.
  const smallest = rate(Math.ceil(1e4 * smallest_error) / 1e4);
  const set =
    `The set of possible labels has an error rate of ${rate(error)}; ` +
    `a request can choose ${smallest} or more.`;
  return [min_familiarity !== null && known, error !== null && set].filter(Boolean).join(" ");
}

function origin({ photos, cross_validated }) {
  const counts = Object.values(photos);
  const total = grouped(counts.reduce((sum, count) => sum + count, 0));
  const from = cross_validated
    ? `a cross-validation with ${total} known photos`
    : `${total} known photos that the network was not trained on`;
  return `The thresholds come from ${from}: ${byClass(photos, counts)}.`;
}

function byClass(photos, counts) {
  if (counts.length <= LISTED) {
    return Object.entries(photos).map(([label, count]) => `${grouped(count)} of ${label}`).join(", ");
  }
  const [least, most] = [Math.min(...counts), Math.max(...counts)].map(grouped);
  return `${least === most ? least : `${least} to ${most}`} of each class`;
}

/** What each strictness keeps and refuses. */
function kept({ accepted }) {
  if (!accepted?.length) return null;
  const others = accepted.some((one) => one.other_refused);
  const heads = ["Familiarity of at least", "Known photos kept", ...(others ? ["Other pictures refused"] : [])];
  const rows = accepted.map((one) => {
    const cells = others ? [one.known, one.other_refused] : [one.known];
    return row(rate(one.min_familiarity), ...cells.map(measured));
  });
  return scroller("Known or unknown, by strictness", table(heads, rows));
}

/** How often the set has the true label, and how often it has one label only. */
function covered({ sets }, labels) {
  if (!sets?.length) return null;
  const heads = ["Test photos", ...sets.map((one) => `Error rate ${rate(one.error)}`)];
  const rows = labels.map((label) => row(`${label}: true label in the set`, ...sets.map((one) => measured(one.coverage[label]))));
  const decided = row("all: one label in the set", ...sets.map((one) => measured(one.decided)));
  return scroller("Sets of possible labels, by error rate", table(heads, [...rows, decided]));
}

/** "98.9 % (97.9 to 99.5) of 1,000", with the interval of 95 % if the card has it. */
function measured(metric) {
  if (!metric) return "not measured";
  const { value, samples, low, high } = metric;
  const ends = [low, high].map((end) => (100 * end).toFixed(1));
  const interval = low === null || high === null ? "" : ` (${ends[0]} to ${ends[1]})`;
  return `${percent(value)}${interval} of ${grouped(samples)}`;
}
