// Builds elements. Text is always inserted as text: a file's name is never parsed as HTML.

/** An element with properties (or attributes, where there is no such property) and children. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** An SVG element with attributes and children. */
export function drawing(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const byId = (id) => document.getElementById(id);

/** 0.9425 as "94.3 %". Only 1 is "100.0 %", and only 0 is "0.0 %". */
export function percent(value) {
  if (value > 0.999 && value < 1) return "> 99.9 %";
  if (value < 0.001 && value > 0) return "< 0.1 %";
  return `${(100 * value).toFixed(1)} %`;
}

/** 0.05 as "5 %", 0.005 as "0.5 %": a figure that somebody chose, not one that was measured. */
export const rate = (value) => `${Number((100 * value).toFixed(2))} %`;

export const grouped = (number) => number.toLocaleString("en");

/** 2.8 as "+2.80", with a real minus sign. */
export function signed(value) {
  const digits = Math.abs(value).toFixed(2);
  return `${value < 0 ? "−" : "+"}${digits}`;
}
