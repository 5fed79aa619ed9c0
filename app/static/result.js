// The answer for one photo: the picture with its heatmap, the labels, the feature maps.

import { verdict } from "./decision.js";
import { compared, drawEvidence } from "./evidence.js";
import { element, percent, signed } from "./dom.js";
import { journey } from "./journey.js";

const SHOWN = 5; // alternatives

let count = 0;

/** An article for a photo. It waits until `fill` gives it an answer or `fail` a problem. */
export class Result {
  constructor(photo, remove) {
    this.photo = photo;
    this.number = count += 1;
    this.picture = element("div", { className: "picture waiting" });
    this.body = element(
      "div",
      { className: "answer" },
      (this.state = element("p", { className: "state", textContent: "Waiting for its turn …" })),
      element("progress", { ariaLabel: `${photo.name}: at work` }),
    );
    this.node = element(
      "article",
      { className: "result", ariaLabel: photo.name },
      this.picture,
      element(
        "div",
        { className: "side" },
        element(
          "div",
          { className: "result-head" },
          element("h3", { className: "file", textContent: photo.name, title: photo.name }),
          element("button", {
            type: "button",
            className: "quiet",
            textContent: "Remove",
            ariaLabel: `Remove ${photo.name}`,
            onclick: () => remove(this),
          }),
        ),
        this.body,
      ),
    );
    this.node.setAttribute("aria-busy", "true");
  }

  tell(words) {
    this.state.textContent = words;
  }

  /** Show the photo; `canvas` is null if the browser cannot read the format. */
  show(canvas) {
    this.aspect = canvas ? canvas.width / canvas.height : 1;
    this.picture.classList.remove("waiting");
    if (!canvas) {
      const words = "This browser cannot show the format; the network can read it.";
      this.picture.append(element("p", { className: "hint", textContent: words }));
      return;
    }
    canvas.classList.toggle("pixels", Math.max(canvas.width, canvas.height) < 100);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `The photo ${this.photo.name}`);
    this.canvas = canvas;
    this.picture.replaceChildren(canvas);
  }

  fail(problem) {
    this.node.removeAttribute("aria-busy");
    this.node.classList.add("failed");
    this.picture.classList.remove("waiting");
    if (!this.canvas) this.picture.remove();
    this.body.replaceChildren(
      element("p", { className: "problem-title", textContent: problem.title }),
      element("p", { className: "problem-detail", textContent: problem.detail }),
    );
  }

  /** Show the answer; `error` is the error rate in force, null if it is not known. */
  fill(answer, error) {
    this.node.removeAttribute("aria-busy");
    this.body.replaceChildren(...verdict(answer, error), alternatives(answer));
    if (answer.evidence) this.body.append(this.evidence(answer));
    this.node.append(journey(this.photo));
  }

  /** The heatmap, its controls, and the sum that gives the logit. */
  evidence(answer) {
    const sum = element("p", { className: "sum" });
    const label = select(answer, `for-${this.number}`);
    const strength = slider(`strength-${this.number}`);
    const layer = element("canvas", { className: "evidence", ariaHidden: "true" });
    const apply = () => {
      layer.style.opacity = strength.value / 100;
      if (this.canvas) this.canvas.style.filter = `grayscale(${strength.value}%)`;
    };
    const draw = () => {
      const one = compared(answer.evidence, label.value);
      drawEvidence(layer, one.map, answer.rows, answer.columns, this.aspect);
      sum.textContent = inWords(one, label.value, Object.keys(answer.evidence).length);
    };
    label.addEventListener("change", draw);
    strength.addEventListener("input", apply);
    draw();
    apply();
    if (this.canvas) this.picture.append(layer);
    return element(
      "div",
      { className: "reasons" },
      element("div", { className: "field" }, caption(label, "Evidence for"), label),
      element("div", { className: "field" }, caption(strength, "Overlay"), strength),
      legend(),
      sum,
    );
  }
}

function alternatives(answer) {
  const ranked = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  const rows = ranked.slice(0, SHOWN).map(([label, probability]) =>
    element(
      "li",
      {},
      element("span", { className: "name", textContent: label }),
      bar(probability),
      element("span", { className: "figure", textContent: percent(probability) }),
    ),
  );
  return element("ul", { className: "alternatives" }, ...rows);
}

/** A bar whose length shows the number beside it. */
function bar(share) {
  const length = element("span");
  length.style.width = `${100 * share}%`;
  return element("span", { className: "bar", ariaHidden: "true" }, length);
}

function select(answer, id) {
  const options = Object.keys(answer.evidence).map((label) =>
    element("option", { value: label, textContent: label, selected: label === answer.label }),
  );
  return element("select", { id }, ...options);
}

const slider = (id) => element("input", { id, type: "range", min: 0, max: 100, value: 80 });

const caption = (field, text) => element("label", { htmlFor: field.id, textContent: text });

function legend() {
  return element(
    "div",
    { className: "legend" },
    element("span", { textContent: "against" }),
    element("span", { className: "bar", ariaHidden: "true" }),
    element("span", { textContent: "for" }),
  );
}

function inWords(evidence, label, labels) {
  const places = evidence.map.flat();
  const total = places.reduce((sum, value) => sum + value, 0);
  const than = labels > 2 ? " above the labels' mean" : "";
  return (
    `It adds up: ${places.length} places ${signed(total)}, bias ${signed(evidence.bias)}, ` +
    `together the logit of ${label}${than}, ${signed(total + evidence.bias)}.`
  );
}
