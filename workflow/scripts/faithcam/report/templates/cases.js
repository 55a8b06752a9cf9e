"use strict";
(() => {
  const data = JSON.parse(document.getElementById("cases-data").textContent);
  const at = (id) => document.getElementById(id);
  const minus = (text) => String(text).replace("-", "\u2212");
  const OUTLINES = { lesion: "#f0e442", marker: "#56b4e9", suppressor: "#cc79a7", decoys: "#9a9a9a" };
  // red for the class, white at zero, blue against it (RdBu)
  const COLOURS = [[5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240],
    [247, 247, 247], [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31]];
  const pictures = new Map();
  let found = [];
  let position = 0;
  let drawn = 0;

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const model = (network) => `${network.architecture}-${network.head}`;

  function colour(value) {
    const place = (Math.max(-1, Math.min(1, value)) + 1) / 2 * (COLOURS.length - 1);
    const k = Math.min(COLOURS.length - 2, Math.floor(place));
    return COLOURS[k].map((c, i) => c + (COLOURS[k + 1][i] - c) * (place - k));
  }

  /** A map's cells at every pixel: bilinear, half-pixel centres, its largest absolute value is 1. */
  function enlarged(cells, height, width, size) {
    const along = (n) => Array.from({ length: size }, (_, i) => {
      const place = Math.max(0, Math.min(n - 1, (i + 0.5) * n / size - 0.5));
      const first = Math.min(n - 1, Math.floor(place));
      return [first, Math.min(n - 1, first + 1), place - first];
    });
    const rows = along(height);
    const columns = along(width);
    const large = new Float32Array(size * size);
    rows.forEach(([top, bottom, v], y) => columns.forEach(([left, right, h], x) => {
      const above = cells[top * width + left] * (1 - h) + cells[top * width + right] * h;
      const below = cells[bottom * width + left] * (1 - h) + cells[bottom * width + right] * h;
      large[y * size + x] = above * (1 - v) + below * v;
    }));
    const peak = large.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return peak ? large.map((value) => value / peak) : large;
  }

  /** The pixels of an image, once it is decoded. */
  async function pixels(key) {
    if (!pictures.has(key)) {
      const image = new Image();
      image.src = `data:image/png;base64,${data.images[key].png}`;
      await image.decode();
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      pictures.set(key, context.getImageData(0, 0, canvas.width, canvas.height));
    }
    return pictures.get(key);
  }

  /** Multiply the map's colours with the paled image; opacity 0 is the image, 1 the coloured one. */
  function paint(canvas, image, large, opacity) {
    const out = new ImageData(image.width, image.height);
    for (let i = 0; i < large.length; i += 1) {
      const tint = colour(large[i]);
      for (let c = 0; c < 3; c += 1) {
        const grey = image.data[4 * i + c];
        const over = tint[c] * (0.55 + 0.45 * grey / 255);
        out.data[4 * i + c] = grey + (over - grey) * opacity;
      }
      out.data[4 * i + 3] = 255;
    }
    const small = document.createElement("canvas");
    [small.width, small.height] = [image.width, image.height];
    small.getContext("2d").putImageData(out, 0, 0);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
  }

  /** Draw the border between mask and background, dark below bright. */
  function outline(canvas, masks, size) {
    const context = canvas.getContext("2d");
    const step = canvas.width / size;
    for (const [name, packed] of Object.entries(masks)) {
      const bits = bytes(packed);
      const bit = (place) => (bits[place >> 3] >> (7 - (place & 7))) & 1;
      const inside = (y, x) => (
        y >= 0 && x >= 0 && y < size && x < size ? bit(y * size + x) : 0
      );
      const path = new Path2D();
      for (let y = 0; y <= size; y += 1) {
        for (let x = 0; x <= size; x += 1) {
          if (inside(y, x) !== inside(y - 1, x)) {
            path.moveTo(x * step, y * step);
            path.lineTo((x + 1) * step, y * step);
          }
          if (inside(y, x) !== inside(y, x - 1)) {
            path.moveTo(x * step, y * step);
            path.lineTo(x * step, (y + 1) * step);
          }
        }
      }
      for (const [style, wide] of [["#000", 4], [OUTLINES[name] || "#f0e442", 2]]) {
        [context.strokeStyle, context.lineWidth, context.lineCap] = [style, wide, "square"];
        context.stroke(path);
      }
    }
  }

  function fill(select, options) {
    const before = select.value;
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    const kept = options.some(([value]) => String(value) === before);
    select.value = kept ? before : options[0][0];
  }

  const unique = (values) => [...new Set(values)];
  const same = (values) => unique(values).map((value) => [value, value]);

  /** Offer only what there is, and find the cases that fit. */
  function choose() {
    const networks = data.networks;
    fill(at("dataset"), same(networks.map((network) => network.dataset)));
    const ours = networks.filter((network) => network.dataset === at("dataset").value);
    fill(at("model"), same(ours.map(model).sort()));
    const alike = ours.filter((network) => model(network) === at("model").value);
    fill(at("seed"), same(alike.map((network) => network.seed).sort((a, b) => a - b)));
    const classes = data.datasets[at("dataset").value].classes;
    fill(at("class"), [["", "all"], ...classes.map((name, index) => [index, name])]);
    const network = alike.find((one) => String(one.seed) === at("seed").value);
    found = network.cases
      .filter((one) => at("class").value === "" || String(one.label) === at("class").value)
      .filter((one) => at("outcome").value === ""
        || (one.label === one.predicted) === (at("outcome").value === "correct"))
      .map((one) => ({ ...one, network, classes }));
    position = 0;
    show();
  }

  function step(by) {
    if (found.length) {
      position = (position + by + found.length) % found.length;
      show();
    }
  }

  function show() {
    const one = found[position];
    for (const id of ["previous", "next"]) at(id).disabled = found.length < 2;
    at("stage").hidden = at("scores").parentElement.parentElement.hidden = !one;
    if (!one) {
      at("case").textContent = "No case fits: none of the shown images has this class and outcome.";
      return;
    }
    const [truth, right] = [one.classes[one.label], one.label === one.predicted];
    const { multi_label, slices } = data.datasets[one.network.dataset];
    const answer = multi_label
      ? `${right ? "detected" : "not detected"}, `
      : `predicted ${right ? "correctly" : one.classes[one.predicted]}, `;
    const what = slices ? `volume ${one.id}, slice ${one.slice + 1} of ${slices}` : `image ${one.id}`;
    at("case").textContent = `Case ${position + 1} of ${found.length}: ${what}, ${truth}; ${answer}`
      + `probability ${one.probability.toFixed(2)}${right || multi_label ? "." : ": wrong."}`;
    const methods = data.methods.filter(([name]) => name in one.maps);
    fill(at("method"), methods);
    scores(one);
    draw(one, methods);
  }

  /** Draw the case; what a later call has drawn over is left alone. */
  async function draw(one, methods) {
    drawn += 1;
    const ticket = drawn;
    const image = await pixels(one.image);
    if (ticket !== drawn) return;
    const [height, width] = one.network.cells;
    const masks = data.images[one.image].masks;
    const large = new Map(methods.map(([name]) => {
      const cells = Float32Array.from(new Int8Array(bytes(one.maps[name][1]).buffer));
      return [name, enlarged(cells, height, width, image.width)];
    }));
    const again = () => {
      const [name, title] = methods.find(([method]) => method === at("method").value);
      paint(at("picture"), image, large.get(name), at("opacity").value / 100);
      if (at("outline").checked) outline(at("picture"), masks, image.width);
      at("picture").setAttribute("aria-label", `${title} over image ${one.id}`);
      for (const button of at("gallery").querySelectorAll("button")) {
        button.setAttribute("aria-pressed", button.value === name);
      }
    };
    at("gallery").replaceChildren(...methods.map(([name, title]) => {
      const [item, button] = [document.createElement("li"), document.createElement("button")];
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [128, 128];
      paint(canvas, image, large.get(name), 1);
      const label = document.createElement("span");
      label.textContent = title;
      const peak = document.createElement("small");
      peak.textContent = one.maps[name][0].toPrecision(2);
      [button.type, button.value] = ["button", name];
      button.append(canvas, label, peak);
      button.addEventListener("click", () => {
        at("method").value = name;
        again();
      });
      item.append(button);
      return item;
    }));
    for (const id of ["method", "opacity", "outline"]) at(id).oninput = again;
    const names = Object.keys(masks);
    at("masks").textContent = names.length ? `Outlined: ${names.join(", ")}.` : "No mask here.";
    again();
  }

  /** Fill the table: a row per method, a column per metric that has a number, mean below score. */
  function scores(one) {
    const means = one.network.means;
    const rows = data.methods.filter(([name]) => one.scores[name] || means[name]);
    const columns = data.metrics.map((metric, k) => ({ ...metric, k }))
      .filter(({ k }) => rows.some(([name]) => one.scores[name] && one.scores[name][k] !== null));
    const text = (row, k) => (row && row[k] !== null ? minus(Number(row[k].toPrecision(3))) : "\u2013");
    const cell = (tag, content, word) => {
      const element = document.createElement(tag);
      element.textContent = content;
      if (tag === "th") element.scope = word === "row" ? "row" : "col";
      if (word) element.className = "word";
      return element;
    };
    const line = (cells) => {
      const row = document.createElement("tr");
      row.append(...cells);
      return row;
    };
    at("columns").replaceChildren(line([cell("th", "map", "col"),
      ...columns.map(({ title, protocol }) => cell("th", `${title}, ${protocol}`))]));
    at("scores").replaceChildren(...rows.map(([name, title]) => line([cell("th", title, "row"),
      ...columns.map(({ k }) => {
        const element = cell("td", text(one.scores[name], k));
        const mean = document.createElement("small");
        mean.textContent = means[name] && means[name][k] !== null ? `mean ${text(means[name], k)}` : "";
        element.append(mean);
        return element;
      })])));
    at("scores-of").textContent = `Scores of image ${one.id}`;
  }

  const scale = at("scale").getContext("2d");
  for (let x = 0; x < 255; x += 1) {
    scale.fillStyle = `rgb(${colour(x / 127 - 1).map(Math.round).join()})`;
    scale.fillRect(x, 0, 1, 1);
  }
  for (const id of ["dataset", "model", "seed", "class", "outcome"]) {
    at(id).addEventListener("change", choose);
  }
  at("choice").addEventListener("submit", (event) => event.preventDefault());
  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  at("browser").addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const typing = event.target.matches("select, input") || event.target.closest(".scroll");
    if (by && !typing && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      step(by);
    }
  });
  at("browser").hidden = false;
  choose();
})();
