// The page: it takes photos, shows the answers, and below them the network and its card.

import { explain, model } from "./api.js";
import { cardOf } from "./card.js";
import { inBrief } from "./decision.js";
import { byId, element, grouped } from "./dom.js";
import { square } from "./drawing.js";
import { listen } from "./intake.js";
import { network } from "./network.js";
import { preview } from "./preview.js";
import { queue } from "./queue.js";
import { Result } from "./result.js";

const ask = queue(2); // requests at a time
const results = new Set();
const asked = model();
const errorRate = asked.then(({ decisions }) => decisions?.error ?? null).catch(() => null);
let open = 0;

function take(files) {
  const added = files.map((file) => new Result(file, remove));
  for (const result of added) results.add(result);
  byId("results").prepend(...added.map((result) => result.node));
  tidy();
  for (const result of added) work(result);
}

async function work(result) {
  open += 1;
  tellProgress();
  const shown = preview(result.photo).then((canvas) => result.show(canvas));
  try {
    const answer = await ask(() => {
      result.tell("The network is looking at it …");
      return explain(result.photo);
    });
    await shown;
    result.fill(answer, await errorRate);
    tellProgress(`${result.photo.name}: ${inBrief(answer)}`);
  } catch (problem) {
    await shown;
    result.fail(problem);
    tellProgress(`${result.photo.name}: ${problem.title}`);
  } finally {
    open -= 1;
    tellProgress();
  }
}

let news = "";

function tellProgress(words = news) {
  news = words;
  byId("progress").textContent = open > 0 ? `${grouped(open)} to go. ${news}` : news;
}

function remove(result) {
  result.node.remove();
  results.delete(result);
  tidy();
  byId("results").focus();
}

function tidy() {
  byId("clear").hidden = results.size === 0;
  document.body.classList.toggle("empty", results.size === 0);
  if (results.size === 0) tellProgress("");
}

/** A drawing has one result, which every stroke updates. */
function takeDrawings() {
  let current = null;
  const answer = async (file, canvas) => {
    const result = new Result(file, remove);
    results.add(result);
    if (current && results.delete(current)) current.node.replaceWith(result.node);
    else byId("results").prepend(result.node);
    current = result;
    tidy();
    result.show(canvas);
    try {
      const drawn = await ask(() => explain(file));
      result.fill(drawn, await errorRate);
      const doubtful = ["unsure", "unknown"].includes(drawn.decision);
      tellProgress(doubtful ? `Your drawing: ${inBrief(drawn)}` : "Your drawing was read");
    } catch (problem) {
      result.fail(problem);
      tellProgress(problem.title);
    }
  };
  square(answer, () => current && remove(current));
}

async function showModel() {
  try {
    const card = await asked;
    const megabytes = Math.round(card.accepts.max_bytes / 2 ** 20);
    byId("model-name").textContent = `${card.name}, version ${card.version}`;
    byId("accepts").textContent =
      `${card.accepts.formats.join(", ")}; up to ${megabytes} MB and ` +
      `${Math.round(card.accepts.max_pixels / 1e6)} megapixels`;
    const known = card.decisions ? ", says if it does not know" : "";
    byId("lead").textContent =
      `Give it a photo. It answers ${listOf(card.labels)}${known}, and shows which places of the ` +
      "photo made the answer.";
    byId("network").replaceChildren(network(card));
    byId("card").replaceChildren(cardOf(card));
    if (card.input.channels === 1) takeDrawings();
  } catch (problem) {
    byId("model-name").textContent = problem.title;
    for (const id of ["network", "card"]) {
      byId(id).replaceChildren(element("p", { className: "problem-detail", textContent: problem.detail }));
    }
  }
}

function listOf(labels) {
  if (labels.length > 4) return `${labels[0]} to ${labels.at(-1)}`;
  return `${labels.slice(0, -1).join(", ")} or ${labels.at(-1)}`;
}

listen(take);
tidy();
byId("clear").addEventListener("click", () => [...results].forEach(remove));
showModel();
