// Tables with a title.

import { element } from "./dom.js";

/** A row with its head and its figures. */
export function row(head, ...values) {
  const cells = values.map((value) => element("td", { className: "number", textContent: value }));
  return element("tr", {}, element("th", { scope: "row", textContent: head }), ...cells);
}

export function table(heads, rows, className = "") {
  const cells = heads.map((text) => element("th", { scope: "col", textContent: text }));
  return element("table", { className }, element("thead", {}, element("tr", {}, ...cells)), element("tbody", {}, ...rows));
}

/** A title, and below it content that can be scrolled sideways. */
export function scroller(title, content) {
  return element(
    "div",
    {},
    element("h3", { textContent: title }),
    element("div", { className: "scroller", tabIndex: 0, role: "region", ariaLabel: title }, content),
  );
}
