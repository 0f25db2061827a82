
"use strict";
// Draws the report in the element `report`. Everything that comes from it is set as text, never as markup.
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const byId = (id) => document.getElementById(id);
  const known = (value) => value !== null && value !== undefined;

  /// An element with attributes and children; strings become text.
  function make(tag, attributes = {}, ...children) {
    const svg = /^(svg|g|rect|line|circle|path|text|title)$/.test(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes))
      if (known(value)) element.setAttribute(key, value);
    element.append(...children.filter(known));
    return element;
  }

  // Numbers as people read them.
  const power = (exponent) => "10" + [...String(exponent)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
  const percent = (x) => {
    if (x === 0 || x >= 1e-5) return Number((100 * x).toPrecision(3)) + " %";
    const [digits, exponent] = x.toExponential(2).split("e");
    return digits === "1.00" ? power(exponent) : `${digits} × ${power(exponent)}`;
  };
  const size = (bytes) => {
    let unit = 0;
    for (; bytes >= 1000 && unit < 4; bytes /= 1000) ++unit;
    return Number(bytes.toPrecision(3)) + " " + ["B", "kB", "MB", "GB", "TB"][unit];
  };
  const time = (s) => (s >= 120 ? Number((s / 60).toPrecision(3)) + " min"
                     : s >= 1 ? Number(s.toPrecision(3)) + " s" : Number((1000 * s).toPrecision(2)) + " ms");
  const times = (shape) => (shape ? shape.join(" × ") : "");
  const median = (values) => {
    const sorted = values.slice().sort((a, b) => a - b), n = sorted.length;
    return n % 2 ? sorted[(n - 1) / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  };

  const layers = report.layers.map((layer, index) => ({ ...layer, index }));
  const quantized = layers.filter((layer) => known(layer.bits));
  const measured = layers.filter((layer) => known(layer.error));

  // Light and dark: the system's choice until the button is used.
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (systemDark.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { byId("theme-name").textContent = isDark() ? "Dark" : "Light"; };
  try {
    const stored = localStorage.getItem("ptq-theme");
    if (stored === "light" || stored === "dark") document.documentElement.dataset.theme = stored;
  } catch { /* A page from disk may have no storage. */ }
  byId("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("ptq-theme", theme); } catch { /* The choice lasts as long as the page. */ }
    nameTheme();
  });
  systemDark.addEventListener("change", nameTheme);
  nameTheme();

  function drawSummary() {
    const add = (title, value, note) => byId("summary").append(
      make("div", {}, make("dt", {}, title), make("dd", {}, value, note ? make("small", {}, note) : null)));
    const counts = (status) => layers.filter((layer) => layer.status === status).length;
    const left = ["skipped", "declined"].filter(counts).map((status) => `${counts(status)} ${status}`);
    add("Layers quantized", `${quantized.length} of ${layers.length}`, left.join(", "));
    add("Parameters", size(report.bytes), report.bytes_before === report.bytes ? "as they were"
        : `from ${size(report.bytes_before)}, ${report.compression_ratio.toFixed(2)} times smaller`);
    const sized = quantized.filter((layer) => layer.shape);
    const weights = (layer) => layer.shape[0] * layer.shape[1];
    const total = sized.reduce((sum, layer) => sum + weights(layer), 0);
    if (total) {
      const bits = sized.reduce((sum, layer) => sum + layer.bits * weights(layer), 0) / total;
      add("Bits of a weight", Number(bits.toFixed(2)).toString(), "on average over quantized layers, without scales");
    }
    if (measured.length) {
      const nearest = measured.filter((layer) => known(layer.error_rtn));
      add("Median error", percent(median(measured.map((layer) => layer.error))), nearest.length
          ? `rounded to nearest ${percent(median(nearest.map((layer) => layer.error_rtn)))}` : "");
      const worst = measured.reduce((a, b) => (b.error > a.error ? b : a));
      add("Greatest error", percent(worst.error), worst.name);
    }
    add("Rounding took", time(report.seconds), "in all layers together");
  }

  // The block a layer belongs to: the first number in its name.
  const blockOf = (name) => (name.match(/(?:^|\.)(\d+)(?=\.|$)/) || [])[1];

  const tip = byId("tip");
  function showTip(layer, x, y) {
    const lines = [layer.scheme || `${layer.status}: ${layer.reason || "not rounded"}`];
    if (known(layer.error)) lines.push(`error ${percent(layer.error)}`);
    if (known(layer.error_rtn)) lines.push(`rounded to nearest ${percent(layer.error_rtn)}`);
    tip.replaceChildren(make("b", {}, layer.name || "unnamed"), ...lines.map((line) => make("div", {}, line)));
    tip.hidden = false;
    tip.style.left = Math.min(x + 14, innerWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = Math.min(y + 14, innerHeight - tip.offsetHeight - 8) + "px";
    return [layer.name, ...lines].join(", ");
  }

  function drawChart() {
    const place = byId("chart");
    const margin = { left: 62, right: 10, top: 10, middle: 34, bottom: 22 };
    const errorHeight = measured.length ? 220 : 0, bitsHeight = 84;
    const step = Math.max(5, Math.min(40, ((place.clientWidth || 1100) - margin.left - margin.right) / Math.max(1, layers.length)));
    const width = margin.left + margin.right + step * layers.length;
    const bitsTop = margin.top + errorHeight + (errorHeight ? margin.middle : 0);
    const height = bitsTop + bitsHeight + margin.bottom;
    const svg = make("svg", { width, height, viewBox: `0 0 ${width} ${height}`, tabindex: 0, role: "group",
      "aria-roledescription": "chart", "aria-label": `Errors and bits of ${layers.length} layers. Left and right arrow read layer by layer; Enter shows it in the table.` });
    const left = (index) => margin.left + step * index;
    const line = (y) => svg.append(make("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y, y2: y }));
    const label = (text, x, y, anchor) => svg.append(make("text", { x, y, "text-anchor": anchor }, text));

    // Bands: every other block of the model, with its number.
    let begin = 0;
    for (let i = 1; i <= layers.length; ++i) {
      const block = blockOf(layers[begin].name);
      if (i < layers.length && blockOf(layers[i].name) === block) continue;
      if (known(block)) {
        if (Number(block) % 2 === 0)
          svg.append(make("rect", { class: "band", x: left(begin), y: margin.top, width: step * (i - begin), height: height - margin.top - margin.bottom }));
        label(block, (left(begin) + left(i)) / 2, height - 6, "middle");
      }
      begin = i;
    }

    if (errorHeight) {
      const values = layers.flatMap((layer) => [layer.error, layer.error_rtn]).filter((x) => known(x) && x > 0);
      const low = Math.floor(Math.log10(values.length ? Math.min(...values) : 1e-6));
      const high = Math.max(low + 1, Math.ceil(Math.log10(values.length ? Math.max(...values) : 1)));
      const y = (error) => margin.top + errorHeight * (1 - (Math.log10(Math.max(error, 10 ** low)) - low) / (high - low));
      const stride = Math.ceil((high - low) / 6);
      for (let decade = low; decade <= high; decade += stride) {
        line(y(10 ** decade));
        label(percent(10 ** decade), margin.left - 8, y(10 ** decade) + 4, "end");
      }
      const radius = Math.min(4.5, Math.max(2, step / 3.2));
      layers.forEach((layer, i) => {
        const x = left(i) + step / 2, both = known(layer.error) && known(layer.error_rtn);
        if (both) svg.append(make("line", { class: "stem", x1: x, x2: x, y1: y(layer.error_rtn), y2: y(layer.error) }));
        if (known(layer.error_rtn)) svg.append(make("circle", { class: "rtn", cx: x, cy: y(layer.error_rtn), r: radius }));
        if (known(layer.error)) svg.append(make("circle", { class: "now", cx: x, cy: y(layer.error), r: radius }));
      });
    }

    const most = Math.max(8, ...quantized.map((layer) => layer.bits));
    const barTop = (bits) => bitsTop + bitsHeight * (1 - bits / most);
    for (const bits of [0, 2, 4, 8].filter((b) => b <= most)) {
      line(barTop(bits));
      label(bits === 0 ? "0" : `${bits} bits`, margin.left - 8, barTop(bits) + 4, "end");
    }
    const bar = Math.max(2, Math.min(step - 1.5, 20));
    layers.forEach((layer, i) => svg.append(make("rect", { class: known(layer.bits) ? "bits" : "float", rx: 1.5,
      x: left(i) + (step - bar) / 2, width: bar, y: barTop(known(layer.bits) ? layer.bits : most),
      height: bitsHeight * (known(layer.bits) ? layer.bits / most : 1) })));

    // Reading by pointer and by keyboard.
    const hover = make("rect", { class: "hover", width: step, y: margin.top, height: height - margin.top - margin.bottom, visibility: "hidden" });
    svg.append(hover);
    let current = -1;
    const show = (index, x, y) => {
      current = index;
      hover.setAttribute("x", left(index));
      hover.setAttribute("visibility", "visible");
      return showTip(layers[index], x, y);
    };
    const hide = () => { tip.hidden = true; hover.setAttribute("visibility", "hidden"); };
    svg.addEventListener("pointermove", (event) => {
      const index = Math.floor((event.clientX - svg.getBoundingClientRect().left - margin.left) / step);
      if (index >= 0 && index < layers.length) show(index, event.clientX, event.clientY);
      else hide();
    });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("click", () => { if (current >= 0) markRow(current); });
    svg.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Enter" && current >= 0) return markRow(current);
      if (event.key === "Escape") return hide();
      if (!move || !layers.length) return undefined;
      event.preventDefault();
      const next = Math.max(0, Math.min(layers.length - 1, current + move));
      const box = svg.getBoundingClientRect();
      byId("chart-status").textContent = show(next, box.left + left(next) + step, box.top + 40);
      return undefined;
    });
    place.replaceChildren(svg);

    const legend = [];
    const key = (shape, text) => legend.push(make("li", {}, make("svg", { width: 14, height: 14, "aria-hidden": "true" }, shape), text));
    if (measured.length) {
      key(make("circle", { class: "now", cx: 7, cy: 7, r: 4.5 }), "error as it is");
      if (layers.some((layer) => known(layer.error_rtn))) key(make("circle", { class: "rtn", cx: 7, cy: 7, r: 4.5 }), "rounded to nearest");
    }
    if (quantized.length) key(make("rect", { class: "bits", x: 1, y: 2, width: 12, height: 10, rx: 2 }), "bits of a weight");
    if (quantized.length < layers.length) key(make("rect", { class: "float", x: 1.5, y: 2.5, width: 11, height: 9, rx: 2 }), "float");
    byId("legend").replaceChildren(...legend);
    byId("chart-note").textContent = !layers.length ? "The model has no layers."
      : measured.length ? "Relative error of the layer's output, on a logarithmic scale; layers in the program's order, numbered by block."
      : "Errors are measured by --gptq only, and no layer was rounded by it.";
  }

  // Folds, drawn once for all blocks: numbers in names are replaced by a star where several names then agree.
  function drawFolds() {
    const pattern = (name) => name.replace(/(^|\.)\d+(?=\.|$)/g, "$1*");
    const members = new Map(), edges = new Map(), kinds = new Map();
    const node = (side, name) => {
      const key = side + pattern(name);
      if (!members.has(key)) members.set(key, new Set());
      members.get(key).add(name);
      return key;
    };
    const connect = (from, to, kind) => {
      if (!edges.has(from)) edges.set(from, new Map());
      edges.get(from).set(to, (edges.get(from).get(to) || 0) + 1);
      kinds.set(from, kind);
    };
    for (const layer of layers) {
      const into = new Set(layer.transforms.flatMap((transform) => transform.into));
      for (const name of into) connect(node("<", name), node(">", layer.name), "folded");
      if (layer.input_scale === "explicit") connect(node("<", "a multiplication at run time"), node(">", layer.name), "explicit");
    }
    byId("folds-note").textContent = edges.size
      ? "What absorbed the scales of the layers' inputs: parameters on the left, divided; layers on the right, whose columns were multiplied. One line stands for all blocks."
      : "No layer's input was scaled: neither --smoothquant nor --awq ran, or no scales would have helped.";
    if (!edges.size) return byId("folds").replaceChildren();

    const nameOf = (key) => (members.get(key).size === 1 ? [...members.get(key)][0] : key.slice(1));
    const short = (name) => (name.length > 58 ? name.slice(0, 24) + "…" + name.slice(-33) : name);
    const lineHeight = 26, width = 1140, mid = width / 2, gap = 70;
    const rightY = new Map(), leftY = new Map();
    let bottom = 8;
    for (const [from, targets] of edges) {
      let sum = 0;
      for (const to of targets.keys()) {
        if (!rightY.has(to)) { rightY.set(to, bottom + lineHeight / 2); bottom += lineHeight; }
        sum += rightY.get(to);
      }
      let y = sum / targets.size;
      while ([...leftY.values()].some((other) => Math.abs(other - y) < lineHeight - 2)) y += lineHeight;
      leftY.set(from, y);
      bottom = Math.max(bottom, y + lineHeight / 2);
    }
    const lines = [], nodes = [], words = [];
    const draw = (key, x, y, anchor, kind) => {
      const count = members.get(key).size;
      nodes.push(make("circle", { class: `node ${kind}`, cx: x, cy: y, r: 4 }));
      words.push(make("text", { class: "name", x: anchor === "end" ? x - 10 : x + 10, y: y + 4, "text-anchor": anchor },
        make("title", {}, [...members.get(key)].slice(0, 40).join("\n")), short(nameOf(key)) + (count > 1 ? `  × ${count}` : "")));
    };
    for (const [from, targets] of edges) {
      draw(from, mid - gap, leftY.get(from), "end", kinds.get(from));
      for (const [to, count] of targets)
        lines.push(make("path", { class: "edge", "stroke-width": 1.2 + Math.min(2.4, Math.log2(count) / 2),
          d: `M${mid - gap} ${leftY.get(from)}C${mid} ${leftY.get(from)} ${mid} ${rightY.get(to)} ${mid + gap} ${rightY.get(to)}` }));
    }
    for (const [to, y] of rightY) draw(to, mid + gap, y, "start", "");
    byId("folds").replaceChildren(make("svg", { width, height: bottom + 8, viewBox: `0 0 ${width} ${bottom + 8}`, role: "img",
      "aria-label": "Graph of folded scales; the column Input scale of the table says the same." }, ...lines, ...nodes, ...words));
    return undefined;
  }

  // A name without the folders that it shares with a layer.
  const ownPart = (name, layer) => {
    const parts = name.split("."), others = layer.split(".");
    let same = 0;
    while (same < parts.length - 2 && parts[same] === others[same]) ++same;
    return parts.slice(same).join(".");
  };
  const columns = [
    { title: "#", value: (l) => l.index, cell: (l) => String(l.index + 1), number: true },
    { title: "Layer", value: (l) => l.name, cell: (l) => l.name || "unnamed", note: (l) => l.location.split(/[\\/]/).pop(), full: (l) => l.location, type: "layer" },
    { title: "Shape", value: (l) => l.shape && l.shape[0] * l.shape[1], cell: (l) => times(l.shape), number: true },
    { title: "Status", value: (l) => l.status, cell: (l) => l.status, note: (l) => l.reason, type: "status" },
    { title: "Bits", value: (l) => l.bits, cell: (l) => String(l.bits), number: true },
    { title: "Scheme", value: (l) => l.scheme, cell: (l) => l.scheme.split(": ")[0], type: "scheme",
      note: (l) => l.scheme && [...l.scheme.split(": ").slice(1), l.group_size && `groups of ${l.group_size}`].filter(Boolean).join(", ") },
    { title: "Method", value: (l) => l.method, cell: (l) => l.method },
    { title: "Input scale", value: (l) => l.input_scale, cell: (l) => l.input_scale,
      note: (l) => l.transforms.map((t) => `${t.method}: ${t.into.map((name) => ownPart(name, l.name)).join(" and ") || t.where}`).join("; "),
      full: (l) => l.transforms.map((t) => `${t.method}: ${t.where}`).join("; ") },
    { title: "To nearest", value: (l) => l.error_rtn, cell: (l) => percent(l.error_rtn), number: true },
    { title: "Error", value: (l) => l.error, cell: (l) => percent(l.error), number: true },
    { title: "Time", value: (l) => l.seconds, cell: (l) => time(l.seconds), number: true },
  ];
  const rows = layers.map((layer) => {
    const row = make("tr");
    for (const column of columns) {
      const note = column.note && column.note(layer);
      row.append(make("td", { class: column.number ? "number" : column.type === "status" ? layer.status : column.type },
        known(column.value(layer)) ? column.cell(layer) : "–", note ? make("small", { title: (column.full || column.note)(layer) }, note) : null));
    }
    return { layer, row, text: row.textContent.toLowerCase() };
  });

  function sortBy(column, descending) {
    const sign = descending ? -1 : 1;
    rows.sort((a, b) => {
      const x = column.value(a.layer), y = column.value(b.layer);
      if (!known(x) || !known(y)) return known(x) ? -1 : known(y) ? 1 : a.layer.index - b.layer.index; // Unknown comes last.
      const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
      return order ? sign * order : a.layer.index - b.layer.index;
    });
    byId("table").tBodies[0].replaceChildren(...rows.map((entry) => entry.row));
    columns.forEach((other) => other.head.setAttribute("aria-sort", other !== column ? "none" : descending ? "descending" : "ascending"));
  }

  function drawTable() {
    const head = make("tr");
    for (const column of columns) {
      const button = make("button", { type: "button" }, column.title);
      column.head = make("th", { scope: "col", class: column.number ? "number" : null }, button);
      button.addEventListener("click", () => sortBy(column, column.head.getAttribute("aria-sort") === "ascending"));
      head.append(column.head);
    }
    byId("table").tHead.append(head);
    sortBy(columns[0], false);
    const filter = () => {
      const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const { row, text } of rows) row.hidden = !words.every((word) => text.includes(word));
      const shown = rows.filter(({ row }) => !row.hidden).length;
      byId("shown").textContent = words.length ? `${shown} of ${rows.length}` : `${rows.length}`;
    };
    byId("filter").addEventListener("input", filter);
    filter();
  }

  function markRow(index) {
    for (const { layer, row } of rows) {
      row.classList.toggle("marked", layer.index === index);
      if (layer.index === index) { row.hidden = false; row.scrollIntoView({ block: "center" }); }
    }
  }

  function drawEmbeddings() {
    if (!report.embeddings.length) return;
    const section = byId("embeddings"), table = section.querySelector("table");
    section.hidden = false;
    table.tHead.append(make("tr", {}, ...["Table", "Shape", "Bits", "Error", "Time"].map((title, i) => make("th", { scope: "col", class: i ? "number" : null }, title))));
    for (const t of report.embeddings)
      table.tBodies[0].append(make("tr", {}, make("td", { class: "layer" }, t.name), make("td", { class: "number" }, times(t.shape)),
        make("td", { class: "number" }, String(t.bits)), make("td", { class: "number" }, known(t.error) ? percent(t.error) : "–"),
        make("td", { class: "number" }, known(t.seconds) ? time(t.seconds) : "–")));
  }

  if (report.model) {
    byId("model").textContent = report.model;
    document.title = `Quantization report: ${report.model.split(/[\\/]/).pop()}`;
  }
  drawSummary();
  drawTable();
  drawChart();
  drawFolds();
  drawEmbeddings();
  let waiting = 0;
  addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(drawChart); });
})();
