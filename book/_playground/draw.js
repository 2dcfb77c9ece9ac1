/* Draws the playground's charts and the picture of one event. Colours come from the style sheet. */

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) { made.setAttribute(key, value); }
  made.append(...children);
  return made;
}

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) { made.setAttribute(key, value); }
  if (text !== undefined) { made.textContent = text; }
  return made;
}

function canvas(width, height, words) {
  return shape("svg", { viewBox: `0 0 ${width} ${height}`, width: width, height: height,
                        role: "img", "aria-label": words });
}

/* Round numbers from 0 on, about `count` of them, up to or above `most`. */
function ticks(most, count) {
  const rough = (most || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
  const found = [];
  for (let at = 0; at < most + step; at += step) { found.push(Number(at.toPrecision(6))); }
  return found;
}

/* lines: [{name, points: [[x, y]], steps, marks}]; mark: an x to be pointed out. */
export function lineChart(place, { lines, xName, yName, yMost, format, words, mark }) {
  const width = Math.max(260, place.clientWidth), height = 240;
  const left = 52, right = 14, top = 14, bottom = 44;
  const all = lines.flatMap((line) => line.points);
  const xTicks = ticks(Math.max(...all.map((p) => p[0]), 0), width < 420 ? 4 : 8);
  const yTicks = ticks(yMost || Math.max(...all.map((p) => p[1]), 1), 4);
  const xEnd = Math.max(...all.map((p) => p[0]), 0) || 1;
  const yEnd = yMost || yTicks[yTicks.length - 1];
  function x(value) { return left + (width - left - right) * value / xEnd; }
  function y(value) { return height - bottom - (height - top - bottom) * value / yEnd; }
  const svg = canvas(width, height, words);
  for (const tick of yTicks.filter((t) => t <= yEnd * 1.0001)) {
    svg.append(
      shape("line", { class: "pg-grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
      shape("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, format ? format(tick) : tick));
  }
  for (const tick of xTicks.filter((t) => t <= xEnd)) {
    svg.append(shape("text", { x: x(tick), y: height - bottom + 18, "text-anchor": "middle" }, tick));
  }
  svg.append(
    shape("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, xName),
    shape("text", { x: -(top + height - bottom) / 2, y: 13, "text-anchor": "middle",
                    transform: "rotate(-90)" }, yName));
  if (mark !== undefined) {
    svg.append(shape("line", { class: "pg-mark", x1: x(mark), x2: x(mark), y1: top, y2: height - bottom }));
  }
  lines.forEach(function (line, number) {
    const path = line.points.map(function (point, index) {
      if (index === 0) { return `M${x(point[0])},${y(point[1])}`; }
      return line.steps ? `H${x(point[0])}V${y(point[1])}` : `L${x(point[0])},${y(point[1])}`;
    });
    svg.append(shape("path", { class: `pg-line pg-line-${number}`, d: path.join("") || "M0,0" }));
    if (line.marks) {
      for (const point of line.points) {
        svg.append(shape("circle", { class: `pg-dot-${number}`, cx: x(point[0]), cy: y(point[1]), r: 3.5 }));
      }
    }
  });
  place.replaceChildren(svg);
  if (lines.length > 1) {
    const names = lines.map((line, number) =>
      element("li", {}, element("i", { class: `pg-key-${number}` }), line.name));
    place.append(element("ul", { class: "faltcon-legend" }, ...names));
  }
}

/* rows: [{name, all, part}]: a bar a row, its part in front. */
export function bars(place, { rows, words }) {
  const width = Math.max(260, place.clientWidth), each = 40;
  const svg = canvas(width, rows.length * each + 4, words);
  const most = Math.max(...rows.map((row) => row.all), 1);
  rows.forEach(function (row, index) {
    const y = index * each;
    svg.append(
      shape("text", { x: 0, y: y + 14 }, row.name),
      shape("text", { x: width, y: y + 14, "text-anchor": "end" }, `${row.part} of ${row.all}`),
      shape("rect", { class: "pg-bar", x: 0, y: y + 20, height: 12, width: width * row.all / most }),
      shape("rect", { class: "pg-bar-part", x: 0, y: y + 20, height: 12, width: width * row.part / most }));
  });
  place.replaceChildren(svg);
}

const PLACES = {
  client: [52, 44, 84, 48], handshake: [262, 44, 116, 48],
  archive: [140, 158, 116, 48], memory: [270, 158, 100, 48],
};
const TITLES = { client: "client", handshake: "handshake", archive: "FALTCON archive", memory: "free memory" };

/* Which way things go at an event: [from, to, words, kind]. */
function ways(frame) {
  const did = frame.did;
  if (frame.event === "SYN") {
    const from = did.includes("f_pull: request") ? "archive" : "memory";
    return [["client", "handshake", "SYN", "packet"],
            [from, "handshake", from === "archive" ? "f_pull" : "allocate", from]];
  }
  if (frame.event === "SENT") {
    const kept = did.includes("f_push");
    return [["handshake", "client", "SYNACK", "packet"],
            ["handshake", kept ? "archive" : "memory", kept ? "f_push" : "free", kept ? "archive" : "memory"]];
  }
  if (frame.event === "ACK") { return [["client", "handshake", "ACK", "packet"]]; }
  if (frame.event === "RELEASE") {
    const kept = did.includes("f_push");
    return [["handshake", kept ? "archive" : "memory", kept ? "f_push" : "free", kept ? "archive" : "memory"]];
  }
  return did.includes("forgets") ? [["archive", "memory", "forget", "memory"]] : [];
}

/* From the edge of one box to the edge of another. */
function between(from, to) {
  const a = PLACES[from], b = PLACES[to];
  if (a[1] === b[1]) {
    const way = Math.sign(b[0] - a[0]);
    return [a[0] + way * a[2] / 2, a[1], b[0] - way * b[2] / 2, b[1]];
  }
  const way = Math.sign(b[1] - a[1]);
  return [a[0], a[1] + way * a[3] / 2, b[0], b[1] - way * b[3] / 2];
}

export function picture(place, frame, words, moving) {
  const svg = shape("svg", { viewBox: "0 0 330 188", role: "img", "aria-label": words, class: "pg-picture" });
  const defs = shape("defs", {});
  const head = shape("marker", { id: "pg-head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7,
                                 markerHeight: 7, orient: "auto-start-reverse" });
  head.append(shape("path", { d: "M0,0L8,4L0,8z", fill: "context-stroke" }));
  defs.append(head);
  svg.append(defs);
  const routes = frame ? ways(frame) : [];
  for (const [name, [x, y, w, h]] of Object.entries(PLACES)) {
    const used = routes.some((way) => way[0] === name || way[1] === name);
    svg.append(
      shape("rect", { class: `pg-box pg-box-${name}${used ? " pg-used" : ""}`, x: x - w / 2, y: y - h / 2,
                      width: w, height: h, rx: 6 }),
      shape("text", { class: "pg-box-name", x: x, y: name === "client" && frame && frame.client ? y - 2 : y + 4,
                      "text-anchor": "middle" }, TITLES[name]));
  }
  if (frame && frame.client) {
    const short = frame.client.length > 15 ? frame.client.slice(0, 14) + "\u2026" : frame.client;
    svg.append(shape("text", { class: "pg-small", x: PLACES.client[0], y: PLACES.client[1] + 14,
                               "text-anchor": "middle" }, short));
  }
  for (const [from, to, label, kind] of routes) {
    const [x1, y1, x2, y2] = between(from, to);
    svg.append(
      shape("line", { class: `pg-way pg-way-${kind}`, x1, y1, x2, y2, "marker-end": "url(#pg-head)" }),
      shape("text", { class: "pg-way-name", x: (x1 + x2) / 2 + (y1 === y2 ? 0 : from === "archive" || to === "archive" ? -10 : 10),
                      y: (y1 + y2) / 2 + (y1 === y2 ? -8 : 4),
                      "text-anchor": y1 === y2 ? "middle" : from === "archive" || to === "archive" ? "end" : "start" }, label));
    if (moving) {
      const dot = shape("circle", { class: `pg-traveller pg-way-${kind}`, cx: 0, cy: 0, r: 5 });
      svg.append(dot);
      dot.animate([{ transform: `translate(${x1}px, ${y1}px)` }, { transform: `translate(${x2}px, ${y2}px)` }],
                  { duration: 600, easing: "ease-in-out", fill: "forwards" });
    }
  }
  place.replaceChildren(svg);
}
