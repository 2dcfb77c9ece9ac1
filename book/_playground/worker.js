/* Runs Python for the playground, so that the page stays quick. Answers messages by their id. */
import { loadPyodide } from "./pyodide/pyodide.mjs";

const HERE = new URL("./", import.meta.url).href;
const MOUNT = "/dropped";
let playground = null;
let python = null;
let mounted = false;

function say(message) { self.postMessage(message); }

/* Pyodide fetches its files itself; this counts what arrives. */
function countBytes(sizes, report) {
  const plain = self.fetch.bind(self);
  const total = Object.values(sizes).reduce(function (sum, size) { return sum + size; }, 0);
  let arrived = 0;
  self.fetch = async function (resource, options) {
    const answer = await plain(resource, options);
    const name = new URL(resource.url || resource, HERE).pathname.split("/").pop();
    if (!answer.ok || !answer.body || !(name in sizes)) { return answer; }
    const counted = answer.body.pipeThrough(new TransformStream({
      transform: function (chunk, controller) {
        arrived += chunk.byteLength;
        report(Math.min(1, arrived / total));
        controller.enqueue(chunk);
      },
    }));
    return new Response(counted, { status: answer.status, headers: answer.headers });
  };
}

async function start(id) {
  function progress(share, words) { say({ id: id, progress: { share: share, words: words } }); }
  progress(0, "Fetching Python");
  const sizes = await (await fetch(HERE + "sizes.json")).json();
  // Fetching is most of the wait on a slow line, starting Python on a slow machine.
  countBytes(sizes, function (share) { progress(0.7 * share, "Fetching Python"); });
  const packages = fetch(HERE + "packages.zip").then(function (answer) {
    if (!answer.ok) { throw new Error("packages.zip: " + answer.status); }
    return answer.arrayBuffer();
  });
  python = await loadPyodide({ indexURL: HERE + "pyodide/" });
  progress(0.75, "Unpacking the project's Python");
  python.unpackArchive(await packages, "zip", { extractDir: "/packages" });
  progress(0.85, "Starting the model");
  python.runPython("import sys; sys.path.insert(0, '/packages')");
  playground = python.runPython("from faltcon.playground import Playground; Playground()");
  progress(1, "Ready");
  return { ready: true };
}

function read(id, file) {
  if (mounted) { python.FS.unmount(MOUNT); } else { python.FS.mkdirTree(MOUNT); }
  python.FS.mount(python.FS.filesystems.WORKERFS, { files: [file] }, MOUNT);
  mounted = true;
  function progress(place, packets) {
    say({ id: id, progress: { share: Math.min(1, place / file.size),
                              words: packets.toLocaleString("en") + " packets read" } });
  }
  // The name reaches the reader as they gave it.
  return JSON.parse(playground.read(MOUNT + "/" + file.name, progress).replaceAll(MOUNT + "/", ""));
}

async function recording(id) {
  const answer = await fetch(HERE + "recording.pcap");
  if (!answer.ok) { throw new Error("recording.pcap: " + answer.status); }
  return read(id, new File([await answer.blob()], "recording.pcap"));
}

const ASKS = {
  start: function (id) { return start(id); },
  story: function () { return JSON.parse(playground.tell()); },
  recording: function (id) { return recording(id); },
  read: function (id, wish) { return read(id, wish.file); },
  answer: function (id, wish) { return JSON.parse(playground.answer(JSON.stringify(wish.choices))); },
  share: function (id, wish) { return JSON.parse(playground.share(JSON.stringify(wish.choices))); },
  frames: function (id, wish) {
    return JSON.parse(playground.frames(JSON.stringify(wish.choices), wish.first, wish.count));
  },
};

self.onmessage = async function (event) {
  const wish = event.data;
  try {
    say({ id: wish.id, result: await ASKS[wish.ask](wish.id, wish) });
  } catch (error) {
    // What Python says on its last line is what a reader can use.
    const lines = String(error.message || error).trim().split("\n");
    say({ id: wish.id, failed: lines[lines.length - 1] });
  }
};
