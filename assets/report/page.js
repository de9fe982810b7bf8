// The page's own script: draws the figures, keeps one set of marked runs and one filter for all of them and the table.
(() => {
"use strict";
const page = JSON.parse(document.getElementById("page-data").textContent);

// A column as the page holds it (report/compact.py) -> its values
function values(column, places) {
  if (Array.isArray(column)) return column;
  if ("as" in column) return places.map(run => runs[column.as][run]);
  return "all" in column ? Array(column.rows).fill(column.all) : column.at.map(place => column.of[place]);
}

const runs = Object.fromEntries(Object.entries(page.runs).map(([name, column]) => [name, values(column)]));
const count = Object.values(runs)[0]?.length ?? 0;
const FILTERS = { family: "family", optimizer: "optimizer", size: "parameters", status: "status", device: "trained on" };
const ROWS_SHOWN = 500, VALUES_SHOWN = 12, TOLD = 14, NARROW = 480;
const state = { marked: new Set(), off: {}, by: "", sort: null, down: true, text: "", table: false };
const drawn = new Map();            // name of a figure -> { view, rows, sets }
const errors = [];
const coarse = matchMedia("(pointer: coarse)").matches;

const element = (tag, text, attributes = {}) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

// 1234567 -> "1.23 M", as the tables of the page write it
function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (size >= 1e4 && size < 1e21) {
    const short = +value.toPrecision(digits);
    const [factor, unit] = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]
      .find(([from]) => Math.abs(short) >= from);
    return `${+(short / factor).toPrecision(digits)} ${unit}`;
  }
  if (Number.isInteger(value) && size < 1e21) return String(value);
  if (size >= 1e-3 && size < 1e21) return String(+value.toPrecision(size >= 1000 ? 4 : digits));
  const [factor, power] = value.toExponential(digits - 1).split("e");
  return `${+factor} × 10${(+power).toString().replace(/./g, sign => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)])}`;
}

const rowsOf = columns => {
  const places = values(columns.run ?? []);
  const each = Object.entries(columns).map(([name, column]) => [name, values(column, places)]);
  return Array.from({ length: each[0]?.[1].length ?? 0 }, (_, i) =>
    Object.fromEntries(each.map(([name, column]) => [name, column[i]])));
};

// ------------------------------------------------------------------------------------------------------ filter
const measuredOn = [...new Set(Object.values(page.charts).flatMap(one => Object.values(one.rows))
  .flatMap(columns => values(columns.on ?? [])))].sort();

const runShown = i => Object.keys(FILTERS).every(name => !state.off[name]?.has(runs[name]?.[i] ?? "unknown"));
const rowShown = row => (row.run === undefined || row.run === null || runShown(row.run))
  && !(row.on !== undefined && state.off.on?.has(row.on));

function valuesOf(name) {
  if (name === "on") return measuredOn;
  const counts = new Map();
  for (const value of runs[name] ?? []) counts.set(value ?? "unknown", (counts.get(value ?? "unknown") ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([value]) => value);
}

function makeFilters() {
  const place = document.getElementById("filters");
  for (const [name, title] of Object.entries({ ...FILTERS, on: "measured on" })) {
    const values = valuesOf(name);
    if (values.length < 2) continue;
    const group = element("fieldset");
    group.append(element("legend", title));
    for (const value of values.slice(0, VALUES_SHOWN)) {
      const button = element("button", value, { type: "button", "aria-pressed": "true", "data-filter": name });
      button.addEventListener("click", () => {
        const off = state.off[name] ??= new Set();
        off.has(value) ? off.delete(value) : off.add(value);
        button.setAttribute("aria-pressed", String(!off.has(value)));
        refresh();
      });
      group.append(button);
    }
    if (values.length > VALUES_SHOWN) group.append(element("span", `and ${values.length - VALUES_SHOWN} more`));
    place.append(group);
  }
  const ways = Object.entries(FILTERS).filter(([name]) => !["status", page.by].includes(name) && valuesOf(name).length > 1);
  if (ways.length) {
    const choice = document.getElementById("by");
    choice.append(element("option", FILTERS[page.by], { value: "" }), ...ways.map(([name, title]) =>
      element("option", title, { value: name })));
    choice.addEventListener("change", () => paint(choice.value));
    choice.parentElement.hidden = false;
  }
  document.getElementById("unmark").addEventListener("click", () => mark([], false));
  document.getElementById("unfilter").addEventListener("click", () => {
    state.off = {};
    for (const button of place.querySelectorAll("button")) button.setAttribute("aria-pressed", "true");
    refresh();
  });
}

// ----------------------------------------------------------------------------------------------------- figures
// A specification with linear axes in the place of logarithmic ones
const linear = spec => JSON.parse(JSON.stringify(spec), (key, value) =>
  key === "scale" && value?.type === "log" ? { zero: false, domain: value.domain } : value);

// Without the rectangle that selects, which would catch the finger that scrolls
const still = spec => JSON.parse(JSON.stringify(spec), (key, value) =>
  key === "params" && value?.[0]?.select ? undefined : value);

// Runs in the colours of another fact than the figure's own; fronts are those of its groups
function recoloured(spec, sets) {
  const names = valuesOf(state.by).slice(0, page.looks.length), look = i => page.looks[Math.min(i, page.looks.length - 1)];
  const group = row => { const value = runs[state.by][row.run] ?? "unknown"; return names.includes(value) ? value : "others"; };
  const domain = valuesOf(state.by).length > names.length ? [...names.slice(0, -1), "others"] : names;
  const ofRuns = Object.keys(sets).filter(name => sets[name].some(row => "group" in row && (row.run ?? null) !== null));
  const groups = Object.fromEntries(Object.entries(sets).map(([name, rows]) => [name, ofRuns.includes(name)
    ? fronted(rows.map(row => (row.run ?? null) === null ? row : { ...row, group: group(row) })) : rows]));
  const ofNoGroup = layer => ofRuns.includes(layer.data?.name) || !(layer.encoding?.color?.field === "group"
    || (layer.data?.name?.startsWith("law ") && layer.mark.color !== "currentColor"));     // lines of the figure's own groups
  const painted = JSON.parse(JSON.stringify(spec), (key, value) => {
    if (key === "layer") return value.filter(ofNoGroup);
    if (!value || typeof value !== "object" || !ofRuns.includes(value.data?.name) || !value.encoding) return value;
    for (const [channel, range] of [["color", domain.map((_, i) => look(i)[0])], ["fill", domain.map((_, i) => look(i)[0])],
      ["shape", domain.map((_, i) => look(i)[1])]]) {
      const of = value.encoding[channel];
      if (of?.field === "group") Object.assign(of, { legend: { title: FILTERS[state.by] }, scale: { domain, range } });
    }
    return value;
  });
  return [painted, groups];
}

// Which rows no cheaper one of their group beats, where the figure draws fronts of one cost
function fronted(rows) {
  if (!rows.some(row => "front" in row) || rows.some(row => (row.z ?? null) !== null)) return rows;
  const best = new Map();
  const order = rows.map((row, i) => i).sort((a, b) => rows[a].x - rows[b].x || rows[b].y - rows[a].y);
  const made = [...rows];
  for (const i of order) {
    const { group, y } = rows[i], front = y > (best.get(group) ?? -Infinity);
    if (front) best.set(group, y);
    made[i] = { ...rows[i], front };
  }
  return made;
}

function tip(handler, event, item, value) {
  const box = document.getElementById("tip"), ring = document.getElementById("ring");
  // A page that scrolls beneath a resting mouse reports a mouse that moved by nothing, or left: what the keys tell stays
  if (handler && event && !ring.hidden && !event.movementX && !event.movementY) return;
  ring.hidden = true;
  if (!value || typeof value !== "object") { box.hidden = true; return; }
  box.replaceChildren(...facts(value).map(([name, text]) => {
    const line = element("div");
    line.append(element("span", name), element("b", text));
    return line;
  }));
  box.hidden = false;
  const { clientX: x, clientY: y } = event, { offsetWidth: w, offsetHeight: h } = box;
  box.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - w - 8))}px`;
  box.style.top = `${y + h + 20 > innerHeight ? Math.max(4, y - h - 12) : y + 14}px`;
}

function facts(row) {
  const own = Object.entries(row).filter(([name, value]) => value !== null && !["run", "front", "named"].includes(name)
    && (row.run === undefined || row.run === null || !["low", "high"].includes(name))).map(([name, value]) =>
    [name, typeof value === "object" ? "" : number(value)]);
  if (row.run === undefined || row.run === null) return own;
  const run = page.heads.filter(head => runs[head.name][row.run] !== null && !["low", "high"].includes(head.name))
    .map(head => [head.label, told(head.name, row.run)]);
  return [...run.slice(0, TOLD), ...own.filter(([name]) => ["probability", "fold", "model", "on", "p99"].includes(name))];
}

const score = one => one.toFixed(3);
const withInterval = i => {
  const [value, low, high] = ["target", "low", "high"].map(name => runs[name]?.[i]);
  if (value === null || value === undefined) return "–";
  return low === undefined || low === null ? score(value) : `${score(value)} [${score(low)}, ${score(high)}]`;
};

// What the table and the hover tell of a run
const told = (name, i) => name === "target" ? withInterval(i)
  : name === "valid" && runs.valid[i] !== null ? score(runs.valid[i]) : number(runs[name][i]);

// On a phone: names beside an axis have a third of the width, and a title ends where its axis does
const narrow = theme => ({ ...theme, axisX: { titleAnchor: "end" }, axisY: { labelLimit: NARROW / 4 } });

async function draw(name, key, straight = false) {
  const chart = page.charts[name], figure = document.getElementById(`figure-${name}`);
  const view = chart.views.find(one => one.key === key) ?? chart.views[0];
  const place = figure.querySelector(".live");
  drawn.get(name)?.view.finalize();
  const names = [...new Set([...JSON.stringify(view.spec).matchAll(/"data":\{"name":"((?:[^"\\]|\\.)*)"\}/g)]
    .map(found => JSON.parse(`"${found[1]}"`)))];
  let sets = Object.fromEntries(names.map(one => [one, rowsOf(chart.rows[one])])), shape = view.spec;
  if (state.by) [shape, sets] = recoloured(shape, sets);
  let spec = { ...shape, width: "container", autosize: { type: "fit-x", contains: "padding" },
    datasets: Object.fromEntries(names.map(one => [one, sets[one].filter(rowShown).map(row => ({ ...row }))])) };
  if (straight) spec = linear(spec);
  if (coarse) spec = still(spec);
  const many = Object.values(sets).some(rows => rows.length > 1500);
  try {
    const made = await vegaEmbed(place, spec, { actions: false, ast: true, renderer: many ? "canvas" : "svg",
      config: place.clientWidth < NARROW ? narrow(page.theme) : page.theme, tooltip: tip, mode: "vega-lite", logLevel: 1 });
    drawn.set(name, { view: made.view, sets, key: view.key, spec });
    listen(made.view, sets);
    marks(made.view);
    figure.dataset.drawn = view.key;
  } catch (error) {
    errors.push(`${name}: ${error}`);
    figure.classList.add("failed");
  }
}

// What the keys walk over: the rows of the first layer of marks that has both axes, from left to right
function stops(name) {
  const { view, sets, spec } = drawn.get(name);
  const layer = spec.layer.find(one => ["point", "line"].includes(one.mark?.type) && one.encoding.x?.field && one.encoding.y?.field
    && sets[one.data.name]?.length && !one.data.name.startsWith("law ") && one.data.name !== "equal");
  if (!layer) return [];
  const place = (axis, row) => {
    const scale = view.scale(axis), at = scale(row[layer.encoding[axis].field]);
    return at + (scale.bandwidth ? scale.bandwidth() / 2 : 0);
  };
  return sets[layer.data.name].filter(rowShown).map(row => ({ row, x: place("x", row), y: place("y", row) }))
    .filter(one => Number.isFinite(one.x) && Number.isFinite(one.y)).sort((a, b) => a.x - b.x || a.y - b.y);
}

// Arrow keys go from point to point and tell its facts, Enter or space marks its run
function walk(name, place) {
  let at = -1;
  place.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const found = drawn.has(name) ? stops(name) : [];
    if (!found.length || !(step || ["Home", "End", "Enter", " "].includes(event.key))) return;
    event.preventDefault();
    if (step) at = at < 0 ? (step > 0 ? 0 : found.length - 1) : Math.max(0, Math.min(found.length - 1, at + step));
    if (event.key === "Home") at = 0;
    if (event.key === "End") at = found.length - 1;
    at = Math.min(Math.max(at, 0), found.length - 1);
    const run = found[at].row.run ?? null;
    if (!step && ["Enter", " "].includes(event.key) && run !== null) mark([run], true);
    point(found[at]);
  });

  function point({ row, x, y }) {
    const { view } = drawn.get(name), [left, top] = view.origin(), pad = view.padding();
    const box = place.querySelector("svg, canvas").getBoundingClientRect(), ring = document.getElementById("ring");
    const where = { clientX: box.left + pad.left + left + x, clientY: box.top + pad.top + top + y };
    tip(null, where, null, row);
    ring.style.left = `${where.clientX}px`;
    ring.style.top = `${where.clientY}px`;
    ring.hidden = false;
  }
  addEventListener("scroll", () => {
    const shown = document.activeElement === place && !document.getElementById("ring").hidden;
    const found = shown && drawn.has(name) ? stops(name) : [];
    if (found[at]) point(found[at]);
  }, { passive: true });
  place.addEventListener("blur", () => tip(null, null, null, null));
}

// A click marks or unmarks a run, a rectangle marks those within
function listen(view, sets) {
  view.addEventListener("click", (_event, item) => {
    const run = item?.datum?.run;
    if (run !== undefined && run !== null) mark([run], true);
  });
  let waiting;
  try {
    view.addSignalListener("picked", (_name, ranges) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        const fields = Object.entries(ranges ?? {});
        if (!fields.length) return;
        const within = row => fields.every(([name, [a, b]]) => row[name] >= Math.min(a, b) && row[name] <= Math.max(a, b));
        const found = Object.values(sets).flat().filter(row => row.run !== undefined && row.run !== null
          && fields.every(([name]) => typeof row[name] === "number") && within(row) && rowShown(row));
        mark(found.map(row => row.run), false);
      }, 120);
    });
  } catch { /* a figure without a rectangle */ }
}

function mark(chosen, toggled) {
  if (toggled) chosen.forEach(run => state.marked.has(run) ? state.marked.delete(run) : state.marked.add(run));
  else state.marked = new Set(chosen);
  for (const { view } of drawn.values()) marks(view);
  showTable();
  tell();
}

function marks(view) {
  const marked = Object.fromEntries([...state.marked].map(run => [run, true]));
  view.signal("marked", marked).signal("any", state.marked.size > 0).runAsync();
}

function refresh() {
  for (const { view, sets } of drawn.values()) {
    for (const [name, rows] of Object.entries(sets)) {
      view.data(name, rows.filter(rowShown).map(row => ({ ...row })));
    }
    view.runAsync();
  }
  showTable();
  tell();
}

function tell() {
  const shown = Array.from({ length: count }, (_, i) => i).filter(runShown).length;
  const more = page.all_runs > count ? ` (the first of ${page.all_runs}; the CSV beside the page has all)` : "";
  document.getElementById("told").textContent = `${shown} of ${count} runs${more}, ${state.marked.size} marked`;
  document.getElementById("unmark").disabled = state.marked.size === 0;
  document.getElementById("unfilter").disabled = shown === count && !Object.values(state.off).some(off => off.size);
}

function makeFigure(name) {
  const chart = page.charts[name], figure = document.getElementById(`figure-${name}`);
  const bar = figure.querySelector(".controls");
  let straight = false, key = chart.views[0].key;
  if (chart.views.length > 1) {
    const label = element("label", "Show "), choice = element("select");
    for (const view of chart.views) choice.append(element("option", view.label, { value: view.key }));
    choice.addEventListener("change", () => { key = choice.value; draw(name, key, straight); });
    label.append(choice);
    bar.append(label);
  }
  if (JSON.stringify(chart.views).includes('"type":"log"')) {
    const button = element("button", "Linear axes", { type: "button", "aria-pressed": "false" });
    button.addEventListener("click", () => {
      straight = !straight;
      button.setAttribute("aria-pressed", String(straight));
      draw(name, key, straight);
    });
    bar.append(button);
  }
  const save = element("button", "Rows as CSV", { type: "button" });
  save.addEventListener("click", () => {
    const rows = Object.entries(drawn.get(name)?.sets ?? {}).flatMap(([set, found]) =>
      found.map(({ run, ...rest }) => ({ set, run: runs.run_id?.[run] ?? null, ...rest })));
    const heads = [...new Set(rows.flatMap(Object.keys))];
    download(`${name}-${key}.csv`, heads, rows.map(row => heads.map(head => row[head])));
  });
  bar.append(save);
  if (chart.less) figure.querySelector("figcaption").append(` ${chart.less}`);
  walk(name, figure.querySelector(".live"));
  let first;
  return { first: () => first ??= draw(name, key, straight), again: () => first && (first = draw(name, key, straight)) };
}

// Every figure that is drawn, anew, in the colours of this fact; "" for their own
function paint(by) {
  state.by = by;
  return Promise.all([...makers.values()].map(make => make.again()));
}

// ------------------------------------------------------------------------------------------------------- table
function ordered() {
  const text = state.text.toLowerCase();
  const found = Array.from({ length: count }, (_, i) => i).filter(i => runShown(i)
    && (!text || page.heads.some(head => String(runs[head.name][i] ?? "").toLowerCase().includes(text))));
  const values = state.sort && runs[state.sort];
  if (values) {
    found.sort((a, b) => {
      if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
      const order = typeof values[a] === "number" ? values[a] - values[b] : String(values[a]).localeCompare(values[b]);
      return (state.down ? -order : order) || a - b;
    });
  }
  return [...found.filter(i => state.marked.has(i)), ...found.filter(i => !state.marked.has(i))];
}

function showTable() {
  const table = document.getElementById("explorer");
  if (!table || !state.table) return;
  const rows = ordered(), heads = page.heads.filter(head => !["low", "high"].includes(head.name));
  const top = element("tr");
  for (const head of heads) {
    const cell = element("th", undefined, { scope: "col", "aria-sort": state.sort === head.name
      ? (state.down ? "descending" : "ascending") : "none" });
    const button = element("button", head.label, { type: "button", "data-sort": head.name });
    button.addEventListener("click", () => {
      state.down = state.sort === head.name ? !state.down : head.number;
      state.sort = head.name;
      showTable();
    });
    if (head.number) cell.className = "n";
    cell.append(button);
    top.append(cell);
  }
  table.tHead.replaceChildren(top);
  table.tBodies[0].replaceChildren(...rows.slice(0, ROWS_SHOWN).map(i => {
    const line = element("tr", undefined, { "data-run": i });
    if (state.marked.has(i)) line.className = "marked";
    for (const [place, head] of heads.entries()) {
      const value = told(head.name, i);
      const cell = element("td", place ? value : undefined, head.number ? { class: "n" } : {});
      if (!place) {
        const button = element("button", value, { type: "button", "aria-pressed": String(state.marked.has(i)) });
        button.addEventListener("click", () => mark([i], true));
        cell.append(button);
      }
      line.append(cell);
    }
    return line;
  }));
  document.getElementById("rows-told").textContent = rows.length > ROWS_SHOWN
    ? `The first ${ROWS_SHOWN} of ${rows.length} rows; sort or filter for others, the CSV holds all.` : `${rows.length} rows`;
}

function download(name, heads, rows) {
  // a cell that a spreadsheet would take for a formula stays text
  const cell = value => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const text = [heads, ...rows].map(row => row.map(cell).join(",")).join("\n") + "\n";
  const link = element("a", undefined, { download: name });
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// Thousands of cells wait until somebody comes near
function firstTable() {
  state.table = true;
  showTable();
}

function makeTable() {
  document.getElementById("find").addEventListener("input", event => { state.text = event.target.value; showTable(); });
  document.getElementById("save").addEventListener("click", () => download("runs.csv",
    page.heads.map(head => head.label), ordered().map(i => page.heads.map(head => runs[head.name][i]))));
}

// -------------------------------------------------------------------------------------------------------- index
function followScroll() {
  const links = new Map([...document.querySelectorAll("nav a")].map(link => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const section of document.querySelectorAll("main > section")) watcher.observe(section);
}

document.documentElement.classList.add("alive");
const makers = new Map(Object.keys(page.charts).map(name => [name, makeFigure(name)]));
makeFilters();
makeTable();
tell();
followScroll();
const near = new IntersectionObserver(entries => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    near.unobserve(entry.target);
    if (entry.target.classList.contains("explorer")) firstTable();
    else makers.get(entry.target.id.replace(/^figure-/, "")).first();
  }
}, { rootMargin: "600px 0px" });
for (const place of document.querySelectorAll(".explorer")) near.observe(place);
for (const name of makers.keys()) near.observe(document.getElementById(`figure-${name}`));
addEventListener("keydown", event => { if (event.key === "Escape") mark([], false); });
// For a person in the console, and for tests
window.ecgscale = { draw: () => { firstTable(); return Promise.all([...makers.values()].map(make => make.first())); },
  mark, paint, number, state, drawn, errors };
})();
