/* Tables and charts of one answer. */
import { bars, element, lineChart } from "./draw.js";

const BARS = 12;
const MEANINGS = {
  hits: "handshakes whose request came from the archive",
  misses: "handshakes whose request was allocated",
  pulls: "requests taken from the archive",
  pushes: "requests put into the archive",
  f_pairs_made: "pairs that crossed the threshold",
  f_pairs_eliminated: "pairs that the timer forgot",
  objects_peak: "requests kept at once, at most",
  objects_end: "requests kept at the end",
};
const redraw = new Map();

function at(name) { return document.getElementById("pg-" + name); }
function percent(share) { return (100 * share).toFixed(1) + "\u00a0%"; }
function many(count, one) { return `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`; }

/* Draws now, and again when the place gets another width. */
const watcher = new ResizeObserver(function (entries) {
  for (const entry of entries) { const draw = redraw.get(entry.target); if (draw) { draw(); } }
});
function keepDrawn(place, draw) {
  place.closest("figure").hidden = false;
  if (!redraw.has(place)) { watcher.observe(place); }
  redraw.set(place, draw);
  draw();
}

export function showAbout(place, about, name) {
  const parts = [];
  if (name) { parts.push(`${name} (${about.kind}).`); }
  if (about.packets) { parts.push(many(about.packets, "packet") + ","); }
  parts.push(many(about.connections, "connection") + `, ${about.established.toLocaleString("en")} established.`);
  if (about.left_out) { parts.push(`${many(about.left_out, "connection")} without a SYN cannot be placed in time and are left out.`); }
  if (about.truncated) { parts.push("The file ends early, in the middle of a packet; what came before it is used."); }
  const skipped = Object.entries(about.skipped).map(([why, count]) => `${count.toLocaleString("en")} ${why}`);
  if (skipped.length) { parts.push(`Not used: ${skipped.join("; ")}.`); }
  if (about.unknown.length) { parts.push(`Such a file does not tell: ${about.unknown.join("; ")}.`); }
  if (!about.connections) { parts.push("There is no TCP connection in it."); }
  place.textContent = parts.join(" ");
}

function row(cells, numbers) {
  return element("tr", {}, ...cells.map((cell, n) =>
    element("td", numbers.includes(n) ? { class: "number" } : {}, String(cell))));
}

export function showAnswer(found) {
  const c = found.counters;
  at("verdict").textContent = found.served_share === null ? "There was no handshake." :
    `FALTCON would have served ${percent(found.served_share)} of ${many(c.lookups, "handshake")} from its ` +
    `archive, ${c.hits.toLocaleString("en")} in all. There are ${many(found.f_keys, "f-key")}.`;
  at("verdict").dataset.share = found.served_share === null ? "" : String(found.served_share);
  at("totals").hidden = false;
  at("totals").tBodies[0].replaceChildren(...Object.entries(found.totals).map(function ([name, value]) {
    const number = element("td", { class: "number", "data-total": name, "data-value": value },
                           value.toLocaleString("en"));
    return element("tr", {}, element("th", { scope: "row" }, element("code", {}, name)), number,
                   element("td", {}, MEANINGS[name]));
  }));
  at("keys").hidden = !found.keys.length;
  at("keys-caption").textContent = `Handshakes by f-key, ${found.keys.length} of ${found.f_keys}.`;
  at("keys").tBodies[0].replaceChildren(...found.keys.map((key) =>
    row([key.client, key.server, key.connections, percent(key.served / key.connections)], [2, 3])));
  keepDrawn(at("series"), function () {
    lineChart(at("series"), {
      lines: [{ name: "requests kept", points: found.series.map((s) => [s[0], s[1]]), steps: true },
              { name: "f-pairs", points: found.series.map((s) => [s[0], s[2]]), steps: true }],
      xName: "seconds since the first SYN", yName: "pieces",
      words: `Requests kept and f-pairs over time; at most ${c.objects_peak} requests, at the end ${c.objects}.`,
    });
  });
  const rows = found.keys.slice(0, BARS).map((key) =>
    ({ name: key.client, all: key.connections, part: key.served }));
  keepDrawn(at("bars"), function () {
    bars(at("bars"), { rows: rows, words: "Handshakes by f-key. The table below holds the numbers." });
  });
}

export function showCurve(points, chosen) {
  keepDrawn(at("curve"), function () {
    lineChart(at("curve"), {
      lines: [{ name: "served", points: points.length ? points : [[0, 0]], marks: points.length > 0 }],
      xName: "threshold k_t", yName: "share served", yMost: 1,
      format: (tick) => Math.round(100 * tick) + "\u00a0%", mark: points.length ? Math.min(chosen, points.at(-1)[0]) : undefined,
      words: "Share served by threshold: " + points.map((p) => `k_t ${p[0]}: ${percent(p[1])}`).join(", "),
    });
  });
  const table = element("table", { class: "faltcon-table" },
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "k_t"),
                                 element("th", { scope: "col", class: "number" }, "Served"))),
    element("tbody", {}, ...points.map((p) => row([p[0], percent(p[1])], [1]))));
  at("curve-table").replaceChildren(table);
}
