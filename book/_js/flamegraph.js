/* An interactive flame graph with search, keyboard control and a hand-over to speedscope.
 *
 * The page holds the profile as {"names": [...], "root": [name, value, [child, ...]]}, each child
 * of the same shape and `name` an index into names; "hues" gives a name's colour group.
 */
"use strict";
(function () {
  const PALETTE = [
    "#8ecae6", "#f4a261", "#a3d39c", "#e9c46a", "#cdb4db", "#f4978e", "#90d4c5", "#c9cdd3",
  ];

  function unfold(node, profile) {
    const name = profile.names[node[0]];
    return {
      name: name,
      value: node[1],
      hue: profile.hues[name] === undefined ? -1 : profile.hues[name],
      children: node[2].map(function (child) { return unfold(child, profile); }),
    };
  }

  function foldedText(node, above, lines) {
    const path = above.concat(node.name);
    const below = node.children.reduce(function (sum, child) { return sum + child.value; }, 0);
    if (node.value > below) { lines.push(path.slice(1).join(";") + " " + (node.value - below)); }
    for (const child of node.children) { foldedText(child, path, lines); }
    return lines;
  }

  function share(value, total) { return (100 * value / total).toFixed(1) + " %"; }

  faltcon.drawFlamegraph = async function (place) {
    const profile = JSON.parse(place.querySelector("script[type='application/json']").textContent);
    const root = unfold(profile.root, profile);
    const canvas = place.querySelector(".faltcon-canvas");
    const status = place.querySelector("[role='status']");
    const search = place.querySelector("input[type='search']");
    const reset = place.querySelector("button");
    let current = null;

    const chart = flamegraph.default()
      .cellHeight(20)
      .minFrameSize(2)
      .transitionDuration(0)
      .inverted(true)
      .setColorMapper(function (frame) {
        if (frame.highlight) { return "#ff5fa2"; }
        const hue = frame.data.hue;
        return hue < 0 ? "#dfe3e8" : PALETTE[hue % PALETTE.length];
      })
      .setLabelHandler(function (frame) { return describe(frame); })
      .onHover(function (frame) { status.textContent = describe(frame); })
      .onClick(function (frame) { status.textContent = describe(frame); decorate(); });

    function describe(frame) {
      return frame.data.name + ": " + share(frame.data.value, root.value) + " of the samples";
    }

    function frames() { return Array.from(canvas.querySelectorAll("g.frame")); }

    function focusOn(group) {
      if (!group) { return; }
      if (current) { current.setAttribute("tabindex", "-1"); }
      current = group;
      group.setAttribute("tabindex", "0");
      group.focus();
    }

    function groupOf(node) {
      return frames().find(function (group) { return d3.select(group).datum() === node; });
    }

    // The nearest of these nodes that is wide enough to be drawn.
    function drawn(nodes) { return nodes.find(groupOf); }

    function siblings(node, step) {
      const row = node.parent ? node.parent.children : [node];
      const place = row.indexOf(node);
      return step < 0 ? row.slice(0, place).reverse() : row.slice(place + 1);
    }

    function onKey(event) {
      const node = d3.select(event.currentTarget).datum();
      const target = {
        ArrowDown: drawn(node.children || []),
        ArrowUp: node.parent,
        ArrowLeft: drawn(siblings(node, -1)),
        ArrowRight: drawn(siblings(node, 1)),
      }[event.key];
      if (target) {
        focusOn(groupOf(target));
      } else if (event.key === "Enter" || event.key === " ") {
        chart.zoomTo(node);
        decorate();
        focusOn(groupOf(node));
      } else if (event.key === "Escape") {
        chart.resetZoom();
        decorate();
      } else {
        return;
      }
      event.preventDefault();
    }

    // d3-flame-graph draws for a mouse; this adds the roles and keys that others need.
    function decorate() {
      const image = canvas.querySelector("svg");
      image.setAttribute("role", "group");
      image.setAttribute("aria-label", place.dataset.alt);
      for (const group of frames()) {
        group.setAttribute("tabindex", "-1");
        group.setAttribute("role", "button");
        group.setAttribute("aria-label", describe(d3.select(group).datum()));
        group.onkeydown = onKey;
        group.onfocus = function () { status.textContent = describe(d3.select(group).datum()); };
      }
      current = frames().find(function (group) { return !d3.select(group).datum().parent; });
      if (current) { current.setAttribute("tabindex", "0"); }
    }

    function draw() {
      chart.width(Math.max(280, canvas.clientWidth));
      canvas.replaceChildren();
      // A fresh tree: the chart keeps its zoom in the data.
      d3.select(canvas).datum(unfold(profile.root, profile)).call(chart);
      decorate();
    }

    draw();
    let width = canvas.clientWidth;
    new ResizeObserver(function () {
      if (Math.abs(canvas.clientWidth - width) > 4) { width = canvas.clientWidth; draw(); }
    }).observe(canvas);

    search.addEventListener("input", function () {
      if (search.value.trim() === "") { chart.clear(); } else { chart.search(search.value.trim()); }
      decorate();
    });
    reset.addEventListener("click", function () {
      search.value = "";
      chart.clear();
      chart.resetZoom();
      decorate();
      status.textContent = "";
    });

    const text = foldedText(root, [], []).join("\n") + "\n";
    const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    const wide = place.querySelector("a.faltcon-speedscope");
    wide.href = faltcon.root + "_static/vendor/speedscope/index.html#profileURL=" +
      encodeURIComponent(address) + "&title=" + encodeURIComponent(place.dataset.title);
    const save = place.querySelector("a.faltcon-folded");
    save.href = address;
  };
})();
