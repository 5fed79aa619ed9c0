// The feature maps of a photo, fetched when their section is opened.

import { layers } from "./api.js";
import { element, grouped } from "./dom.js";

const WORDS = {
  convolution: "finds patterns: orange where they are, blue where their opposite is",
  ReLU: "keeps what is positive",
  pooling: "shrinks, and keeps what is strong",
};

/** A section that fetches the strips of `photo` when it is opened for the first time. */
export function journey(photo) {
  const inside = element("div", { className: "journey" });
  const details = element(
    "details",
    { className: "way" },
    element("summary", { textContent: "Its way through the layers" }),
    inside,
  );
  let asked = false;
  details.addEventListener("toggle", async () => {
    if (!details.open || asked) return;
    asked = true;
    inside.replaceChildren(element("progress", { ariaLabel: "Loading the layers" }));
    try {
      const answer = await layers(photo);
      const firsts = new Map(answer.strips.map((one) => [one.step, one]).reverse());
      inside.replaceChildren(...answer.strips.map((one) => strip(one, firsts.get(one.step) === one)));
    } catch (problem) {
      asked = false; // the next opening tries again
      inside.replaceChildren(
        element("p", { className: "problem-title", textContent: problem.title }),
        element("p", { className: "problem-detail", textContent: problem.detail }),
      );
    }
  });
  return details;
}

/** The first strip of each kind explains its step. */
function strip(one, first) {
  const [height, width, channels] = one.shape;
  const words = first && WORDS[one.step] ? `; ${WORDS[one.step]}` : "";
  const shown = `${one.channels.length} of ${grouped(channels)} channels`;
  return element(
    "figure",
    { className: "strip" },
    element(
      "figcaption",
      {},
      element("span", { className: "name", textContent: one.layer }),
      element("span", { className: `step ${one.step.toLowerCase()}`, textContent: one.step }),
      element("span", {
        className: "hint",
        textContent: `${height} × ${width}, ${shown}${words}`,
      }),
    ),
    picture(one.png, `${one.layer}, ${one.step}: ${shown}`),
    picture(one.png, ""),
  );
}

/** The strip as two images: a phone shows one half in each, other screens the first only. */
function picture(src, alt) {
  const image = element("img", { src, alt, decoding: "async" });
  image.addEventListener("load", () => {
    image.style.setProperty("--half", image.naturalWidth / 2 / image.naturalHeight);
  });
  return image;
}
