/* The model event by event: a picture, words, the archive; steps, and playing. */
import { element, picture } from "./draw.js";

const CHUNK = 100;
const PACE_MS = 1100;
const SHOWN_OBJECTS = 24;
const NAMES = { SYN: "A SYN arrives", SENT: "The SYNACK is out", ACK: "The ACK arrives",
                RELEASE: "The request is done with", TIMER: "The timer fires" };

export class Film {
  /* fetchFrames(first, count) resolves to {frames}, or null where it is out of date. */
  constructor(fetchFrames, complain) {
    this.fetchFrames = fetchFrames;
    this.complain = complain;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.places = {};
    for (const name of ["picture", "told", "archive", "first", "back", "play", "next"]) {
      this.places[name] = document.getElementById("pg-" + name);
    }
    this.places.first.addEventListener("click", () => { this.pause(); this.show(0); });
    this.places.back.addEventListener("click", () => { this.pause(); this.show(this.place - 1); });
    this.places.next.addEventListener("click", () => { this.pause(); this.step(); });
    this.places.play.addEventListener("click", () => { this.playing ? this.pause() : this.play(); });
    this.clear();
    picture(this.places.picture, null, "A client, a handshake, the FALTCON archive, free memory", false);
  }

  clear() {
    this.pause();
    this.frames = [];
    this.complete = false;
    this.place = -1;
    for (const name of ["first", "back", "play", "next"]) { this.places[name].disabled = true; }
  }

  async restart() {
    this.clear();
    await this.more();
    if (this.frames.length) { this.show(0, false); } else {
      this.places.told.textContent = "There is no handshake to show.";
      this.places.archive.replaceChildren();
      picture(this.places.picture, null, "No handshake", false);
    }
  }

  async more() {
    if (this.complete) { return; }
    const kept = this.frames;
    const found = await this.fetchFrames(kept.length, CHUNK);
    if (found === null || kept !== this.frames) { return; }
    if (found.error) { this.complain(found.error); return; }
    kept.push(...found.frames);
    this.complete = found.frames.length < CHUNK;
  }

  async step() {
    if (this.place + 1 >= this.frames.length) { await this.more(); }
    if (this.place + 1 >= this.frames.length) { this.pause(); return; }
    this.show(this.place + 1);
  }

  play() {
    this.playing = setInterval(() => { this.step(); }, PACE_MS);
    this.places.play.textContent = "Pause";
    // Ten words a second are no help to those who listen.
    this.places.told.setAttribute("aria-live", "off");
    this.step();
  }

  pause() {
    clearInterval(this.playing);
    this.playing = null;
    this.places.play.textContent = "Play";
    this.places.told.setAttribute("aria-live", "polite");
  }

  show(place, moving = true) {
    if (place < 0 || place >= this.frames.length) { return; }
    this.place = place;
    const frame = this.frames[place];
    const last = this.complete && place === this.frames.length - 1;
    const words = this.words(frame);
    this.places.told.textContent = words;
    picture(this.places.picture, frame, words, moving && !this.still.matches);
    this.archive(frame.archive);
    this.places.first.disabled = this.places.back.disabled = place === 0;
    this.places.next.disabled = this.places.play.disabled = last;
    if (last) { this.pause(); }
  }

  words(frame) {
    const whole = this.complete ? " of " + this.frames.length : "";
    const who = frame.client ? ` (client ${frame.client}, core ${frame.cpu})` : "";
    const c = frame.counters;
    return `Event ${frame.number}${whole}, at ${frame.time_s.toFixed(3)} s. ${NAMES[frame.event]}${who}: ` +
      `${frame.did}. So far ${c.hits} of ${c.lookups} handshakes were served; kept are ${c.objects} ` +
      `requests and ${c.synacks} SYNACKs, for ${c.f_pairs} f-pairs.`;
  }

  archive(cores) {
    this.places.archive.replaceChildren(...cores.map(function (core) {
      const nodes = core.nodes.map(function (node) {
        const kept = element("span", { class: "pg-kept", "aria-hidden": "true" });
        for (let n = 0; n < Math.min(node.requests, SHOWN_OBJECTS); n += 1) { kept.append(element("i")); }
        for (let n = 0; n < Math.min(node.synacks, SHOWN_OBJECTS); n += 1) {
          kept.append(element("i", { class: "pg-synack" }));
        }
        const kind = node.f_pair ? "f-pair" : "candidate";
        return element("li", {}, `${node.client}: ${kind}, ${node.count} in this window; ` +
          `${node.requests} requests, ${node.synacks} SYNACKs kept`, kept);
      });
      if (core.more) { nodes.push(element("li", {}, `and ${core.more} more`)); }
      if (!nodes.length) { nodes.push(element("li", {}, "empty")); }
      return element("div", { class: "pg-core" }, element("h3", {}, `Archive of core ${core.cpu}`),
                     element("ul", {}, ...nodes));
    }));
  }
}
