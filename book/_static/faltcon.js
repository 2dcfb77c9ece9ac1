/* Loads the scripts of interactive figures, on the pages that have one and nowhere else. */
"use strict";
(function () {
  const root = document.documentElement.dataset.content_root || "./";
  const scripts = new Map();

  function load(path) {
    if (!scripts.has(path)) {
      scripts.set(path, new Promise(function (resolve, reject) {
        const tag = document.createElement("script");
        tag.src = root + "_static/" + path;
        tag.onload = resolve;
        tag.onerror = function () { reject(new Error(path + " could not be loaded")); };
        document.head.append(tag);
      }));
    }
    return scripts.get(path);
  }

  async function start(selector, paths, draw) {
    const places = document.querySelectorAll(selector);
    if (places.length === 0) { return; }
    try {
      for (const path of paths) { await load(path); }
      for (const place of places) { await window.faltcon[draw](place); }
    } catch (error) {
      for (const place of places) {
        const note = document.createElement("p");
        note.className = "faltcon-note";
        note.textContent = "This figure could not be drawn (" + error.message +
          "). Its numbers are in the table below it.";
        place.append(note);
      }
    }
  }

  window.faltcon = {
    root: root,
    isDark: function () { return document.documentElement.dataset.theme === "dark"; },
    onThemeChange: function (call) {
      new MutationObserver(call).observe(
        document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    },
  };

  function startAll() {
    start(".faltcon-chart",
      ["vendor/vega/vega.min.js", "vendor/vega/vega-lite.min.js",
       "vendor/vega/vega-embed.min.js", "lazy/chart.js"], "drawChart");
    start(".faltcon-flame",
      ["vendor/d3/d3.min.js", "vendor/d3/d3-flamegraph.umd.min.js", "lazy/flamegraph.js"],
      "drawFlamegraph");
    for (const link of document.querySelectorAll(".faltcon-figure a[download$='.svg']")) {
      link.href = link.closest(".faltcon-figure").querySelector("img").src;
    }
    // A region that scrolls must be reachable without a mouse.
    for (const box of document.querySelectorAll(
      ".cell_output, .output, .pst-scrollable-table-container, div.highlight pre, .faltcon-scroll")) {
      if (box.scrollWidth > box.clientWidth) { box.tabIndex = 0; }
    }
  }

  // What a word means covers the text below it: Escape takes it away.
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape" && document.activeElement.matches("a[data-definition]")) {
      document.activeElement.blur();
    }
  });

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", startAll);
  } else {
    startAll();
  }
})();
