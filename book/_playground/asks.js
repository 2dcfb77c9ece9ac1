/* The page's line to the worker: one promise for each ask, progress on the way. */

/* A worker made from a blob is held to the page's own Content-Security-Policy. */
function startWorker() {
  const script = new URL("./worker.js", import.meta.url).href;
  const starter = new Blob(["import " + JSON.stringify(script) + ";"], { type: "text/javascript" });
  const address = URL.createObjectURL(starter);
  return new Worker(address, { type: "module" });
}

export class Asks {
  constructor() {
    this.worker = null;
    this.waiting = new Map();
    this.newest = new Map();
    this.number = 0;
  }

  /* Resolves to the answer, or to null where a newer ask of the same kind has taken its place. */
  ask(kind, details, progress) {
    if (this.worker === null) { this.open(); }
    this.number += 1;
    const id = this.number;
    this.newest.set(kind, id);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { kind, resolve, reject, progress });
      this.worker.postMessage({ id, ask: kind, ...details });
    });
  }

  open() {
    const worker = startWorker();
    this.worker = worker;
    worker.onmessage = (event) => {
      const { id, result, failed, progress } = event.data;
      const one = this.waiting.get(id);
      if (!one) { return; }
      const stale = this.newest.get(one.kind) !== id;
      if (progress) {
        if (one.progress && !stale) { one.progress(progress.share, progress.words); }
        return;
      }
      this.waiting.delete(id);
      if (stale) { one.resolve(null); } else if (failed) { one.reject(new Error(failed)); } else {
        one.resolve(result);
      }
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.close(event.message || "a file of this page could not be loaded");
    };
  }

  /* Ends the worker, whatever it is at; what was asked is given up with these words. */
  close(words) {
    if (this.worker) { this.worker.terminate(); }
    this.worker = null;
    for (const one of this.waiting.values()) { one.reject(new Error(words)); }
    this.waiting.clear();
  }
}
