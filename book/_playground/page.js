/* The playground page: what its controls do. Python answers from a worker (asks.js). */
import { Asks } from "./asks.js";
import { Film } from "./film.js";
import { showAbout, showAnswer, showCurve } from "./results.js";

const LIMIT_MB = 500;
const WAIT_MS = 200;
const K_TS = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 34];

const asks = new Asks();
const sliders = document.getElementById("pg-sliders");
const state = { ready: null, trace: null, turn: 0 };
function at(name) { return document.getElementById("pg-" + name); }
function say(words) { at("status").textContent = words; }
function complain(words) { at("error").textContent = words; }

function choices() {
  const chosen = {};
  for (const control of sliders.elements) {
    if (control.name) { chosen[control.name] = control.type === "range" ? Number(control.value) : control.value; }
  }
  return chosen;
}

function progress(share, words) {
  at("progress").hidden = false;
  at("bar").value = share;
  say(words);
}

/* Does one thing at a time: progress while it lasts, plain words where it fails. */
async function busy(words, work) {
  complain("");
  progress(0, words);
  try {
    return await work();
  } catch (error) {
    say("");
    complain(error.message);
    return null;
  } finally {
    at("progress").hidden = true;
  }
}

function started() {
  if (state.ready === null) {
    if (location.protocol === "file:") {
      return Promise.reject(new Error("A browser runs no program from a file. Serve the book's folder instead: " +
        "python3 -m http.server --directory book/_build/html, then open http://localhost:8000/playground.html"));
    }
    const began = performance.now();
    state.ready = asks.ask("start", {}, progress).then(function () {
      at("top").dataset.loadSeconds = ((performance.now() - began) / 1000).toFixed(1);
      at("start").hidden = true;
      at("size").hidden = true;
    });
    state.ready.catch(function () { state.ready = null; });
  }
  return state.ready;
}

const film = new Film(function (first, count) {
  return asks.ask("frames", { choices: choices(), first: first, count: count });
}, complain);

/* Takes a trace: "story", "recording", or a file. */
async function take(kind, file) {
  await busy("Starting", async function () {
    await started();
    progress(0, "Reading");
    const began = performance.now();
    const about = await asks.ask(kind, file ? { file: file } : {}, progress);
    if (about === null) { return; }
    if (about.error) { throw new Error(about.error); }
    at("top").dataset.readSeconds = ((performance.now() - began) / 1000).toFixed(1);
    state.trace = kind;
    for (const button of document.querySelectorAll("[data-trace]")) {
      button.setAttribute("aria-pressed", String(button.dataset.trace === kind));
    }
    showAbout(at("about"), about, file ? file.name : null);
    say("Playing");
    await answer();
  });
}

/* Asks for everything that the page shows; a newer call makes this one stop where it is. */
async function answer() {
  state.turn += 1;
  const turn = state.turn;
  const chosen = choices();
  const found = await asks.ask("answer", { choices: chosen });
  if (found === null || turn !== state.turn) { return; }
  if (found.error) { throw new Error(found.error); }
  showAnswer(found);
  await film.restart();
  say("");
  curve(turn, chosen).catch(function (error) { complain(error.message); });
}

async function curve(turn, chosen) {
  const points = [];
  showCurve(points, chosen.k_t);
  for (const k_t of K_TS) {
    const one = await asks.ask("share", { choices: { ...chosen, k_t: k_t } });
    if (one === null || turn !== state.turn) { return; }
    if (one.served_share !== null) { points.push([k_t, one.served_share]); }
    showCurve(points, chosen.k_t);
  }
  at("top").dataset.done = String(turn);
}

function changed() {
  for (const output of sliders.querySelectorAll("output")) {
    const control = document.getElementById(output.htmlFor.value);
    output.textContent = control.value + (control.dataset.unit ? "\u00a0" + control.dataset.unit : "");
  }
}

let waiting = null;
sliders.addEventListener("input", function () {
  changed();
  clearTimeout(waiting);
  if (state.trace === null) { return; }
  waiting = setTimeout(function () {
    complain("");
    answer().catch(function (error) { complain(error.message); });
  }, WAIT_MS);
});
sliders.addEventListener("submit", function (event) { event.preventDefault(); });

function drop(file, entry) {
  if (entry && entry.isDirectory) {
    complain(file.name + ": is a folder; drop one file in it");
  } else if (file.size > LIMIT_MB * 1e6) {
    complain(file.name + ": is larger than " + LIMIT_MB + " MB, more than a page should read; run " +
      "faltcon model run on it, or cut it (editcap -c 1000000)");
  } else {
    take("read", file);
  }
}

at("start").addEventListener("click", function () { take("story"); });
at("stop").addEventListener("click", function () {
  state.turn += 1;
  state.ready = null;
  state.trace = null;
  film.clear();
  asks.close("Stopped. Choose what to play to begin again.");
});
for (const button of document.querySelectorAll("[data-trace]")) {
  button.addEventListener("click", function () { take(button.dataset.trace); });
}
at("file").addEventListener("change", function () {
  if (this.files.length) { drop(this.files[0]); }
  // The same file can be chosen again.
  this.value = "";
});
const zone = at("drop");
for (const kind of ["dragenter", "dragover"]) {
  // Anywhere on the page, or a file that misses the zone would replace the page.
  document.addEventListener(kind, function (event) { event.preventDefault(); zone.classList.add("pg-over"); });
}
document.addEventListener("dragleave", function (event) {
  if (!event.relatedTarget) { zone.classList.remove("pg-over"); }
});
document.addEventListener("drop", function (event) {
  event.preventDefault();
  zone.classList.remove("pg-over");
  const items = event.dataTransfer.items;
  const entry = items && items[0] && items[0].webkitGetAsEntry ? items[0].webkitGetAsEntry() : null;
  if (event.dataTransfer.files.length > 1) { complain("One file at a time, please."); return; }
  if (event.dataTransfer.files.length) { drop(event.dataTransfer.files[0], entry); }
});

changed();
if (location.protocol !== "file:") {
  fetch(new URL("./sizes.json", import.meta.url)).then(function (found) { return found.json(); })
    .then(function (sizes) {
      const bytes = Object.values(sizes).reduce(function (sum, size) { return sum + size; }, 0);
      at("size").textContent = "fetches " + Math.round(bytes / 1e6) + " MB, from this site alone";
    });
}
