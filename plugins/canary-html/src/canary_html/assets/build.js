// Elements made of plain values. Data becomes text nodes and nothing else: no markup is ever parsed.

const TAGS = new Set(
  "article section h2 h3 p a span strong div table thead tbody tr th td ul li pre details summary"
    .split(" "));
const ATTRIBUTES = new Set("class href scope id tabindex title data-v aria-hidden".split(" "));
const SVG = "http://www.w3.org/2000/svg";

// The tree of a page, as `tree.py` makes it.
function build(tree) {
  if (typeof tree === "string") return document.createTextNode(tree);
  const [tag, attributes, ...children] = tree;
  if (tag === "facts") return build(factsTable(children));
  if (!TAGS.has(tag)) throw new Error(`a page cannot hold <${tag}>`);
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    const isLink = name !== "href" || value.startsWith("#/");
    if (ATTRIBUTES.has(name) && isLink) node.setAttribute(name, value);
  }
  node.append(...children.map(build));
  return node;
}

// A table of names and values, which follow each other.
function factsTable(cells) {
  const rows = [];
  for (let i = 0; i < cells.length; i += 2) {
    rows.push(["tr", {}, ["th", {scope: "row"}, cells[i]], ["td", {}, cells[i + 1]]]);
  }
  return ["table", {class: "facts"}, ["tbody", {}, ...rows]];
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// An element of ours; functions among the attributes listen to the event of that name.
function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}
