// Elements and small pictures, made node by node: no text is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [300, 48];

export const byId = (id) => document.getElementById(id);

/** An HTML element with attributes and children. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function shape(name, attributes) {
  return filled(document.createElementNS(SVG, name), attributes, []);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Sets a text only where it differs, so that a selection in it survives. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Draws values, oldest first, over `slots` places; null is a gap. */
export function spark(svg, values, slots) {
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const highest = Math.max(...values.filter((value) => value !== null), 0);
  const x = (index) => (((slots - values.length + index) / (slots - 1)) * WIDTH).toFixed(1);
  const y = (value) => (highest > 0 ? HEIGHT - 2 - (value / highest) * (HEIGHT - 6) : HEIGHT - 2).toFixed(1);
  const shapes = [shape("line", { class: "base", x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 })];
  for (const run of runs(values)) {
    const points = run.map((index) => `${x(index)} ${y(values[index])}`);
    const [first, last] = [x(run[0]), x(run.at(-1))];
    const line = `M${points.join("L")}`;
    shapes.push(shape("path", { class: "area", d: `${line}L${last} ${HEIGHT - 1}L${first} ${HEIGHT - 1}Z` }));
    shapes.push(shape("path", { class: "line", d: points.length > 1 ? line : `${line}h0.1` }));
  }
  svg.replaceChildren(...shapes);
}

/** Indices of neighbours that all have a value. */
function runs(values) {
  const found = [];
  let run = [];
  for (const [index, value] of values.entries()) {
    if (value !== null) run.push(index);
    else if (run.length > 0) {
      found.push(run);
      run = [];
    }
  }
  if (run.length > 0) found.push(run);
  return found;
}

/** A bar of how much of a bound is used, with the words for it. */
export function meter(title, words, share) {
  const used = Math.min(1, Math.max(0, share));
  const level = used >= 0.9 ? "full" : used >= 0.7 ? "high" : "fine";
  const svg = shape("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(
    shape("rect", { class: "room", width: 100, height: 6, rx: 1 }),
    shape("rect", { class: "used", "data-level": level, width: used > 0 ? Math.max(0.4, used * 100) : 0, height: 6, rx: 1 }),
  );
  return element("div", {}, element("dt", {}, title), element("dd", {}, words), svg);
}

/** Fills a table's body, or shows what stands there instead of an empty one. */
export function fill(table, empty, rows) {
  table.hidden = rows.length === 0;
  empty.hidden = rows.length > 0;
  table.tBodies[0].replaceChildren(...rows);
}

/** A row: its heading, then numbers. */
export function row(heading, numbers, quiet = false) {
  const cells = numbers.map((text) => element("td", { class: "number" }, text));
  return element("tr", { class: quiet ? "quiet" : undefined }, element("th", { scope: "row" }, ...heading), ...cells);
}
