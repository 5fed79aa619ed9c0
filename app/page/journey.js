// A photo's way through the layers, asked for when it is opened.

import { layers } from "./api.js";
import { element, grouped } from "./dom.js";

const WORDS = {
  convolution: "finds patterns: orange where they are, blue where their opposite is",
  ReLU: "keeps what is positive",
  pooling: "shrinks, and keeps what is strong",
};

/** A disclosure that fetches the strips of `photo` the first time. */
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
      inside.replaceChildren(...answer.strips.map(strip));
    } catch (problem) {
      asked = false; // opening it again tries again
      inside.replaceChildren(
        element("p", { className: "problem-title", textContent: problem.title }),
        element("p", { className: "problem-detail", textContent: problem.detail }),
      );
    }
  });
  return details;
}

function strip(one) {
  const [height, width, channels] = one.shape;
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
        textContent: `${height} × ${width}, ${shown}${WORDS[one.step] ? `; ${WORDS[one.step]}` : ""}`,
      }),
    ),
    picture(one.png, `${one.layer}, ${one.step}: ${shown}`),
    picture(one.png, ""),
  );
}

/** The strip; on a phone, where the style shows the second too, each shows its half. */
function picture(src, alt) {
  const image = element("img", { src, alt, decoding: "async" });
  image.addEventListener("load", () => {
    image.style.setProperty("--half", image.naturalWidth / 2 / image.naturalHeight);
  });
  return image;
}
