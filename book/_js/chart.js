/* Draws one vega-lite chart in the page's theme, and again when the theme changes. */
"use strict";
(function () {
  function themed(spec) {
    const ink = faltcon.isDark() ? "#e6e9ee" : "#20262e";
    const faint = faltcon.isDark() ? "#4a5260" : "#d5dae1";
    const config = {
      background: "transparent",
      font: "inherit",
      view: { stroke: "transparent" },
      axis: { labelColor: ink, titleColor: ink, gridColor: faint, domainColor: ink, tickColor: ink,
              labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal" },
      legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12,
                orient: "top" },
      title: { color: ink, fontSize: 14 },
      header: { labelColor: ink, titleColor: ink, labelFontSize: 12 },
      text: { color: ink },
      rule: { color: ink },
    };
    return Object.assign({}, spec, { config: Object.assign({}, spec.config, config) });
  }

  faltcon.drawChart = async function (place) {
    const spec = JSON.parse(place.querySelector("script[type='application/json']").textContent);
    const canvas = place.querySelector(".faltcon-canvas");
    const options = {
      renderer: "svg",
      // The other actions open an editor on another host.
      actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
      tooltip: { theme: "custom" },
    };
    async function draw() {
      const result = await vegaEmbed(canvas, themed(spec), options);
      const image = canvas.querySelector("svg.marks");
      if (image) {
        image.setAttribute("role", "img");
        image.setAttribute("aria-label", place.dataset.alt);
        image.removeAttribute("aria-roledescription");
        // One picture for a screen reader; the table below holds the numbers.
        for (const part of image.querySelectorAll("[role], [aria-label]")) {
          part.removeAttribute("role");
          part.removeAttribute("aria-label");
          part.removeAttribute("aria-roledescription");
        }
      }
      const menu = canvas.querySelector("summary");
      if (menu) { menu.setAttribute("aria-label", "Save this chart"); }
      return result;
    }
    let shown = await draw();
    faltcon.onThemeChange(async function () {
      shown.finalize();
      shown = await draw();
    });
  };
})();
