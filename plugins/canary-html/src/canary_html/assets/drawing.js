// Small drawings of numbers, as SVG: no library, colours from the style sheet, a text for each.

function frame(width, height, label, ...children) {
  const size = width > 500 ? "drawing long" : "drawing";
  return svg("svg", {viewBox: `0 0 ${width} ${height}`, class: size, role: "img",
    "aria-label": label}, ...children);
}

function label(x, y, text, anchor = "start") {
  return svg("text", {x, y, "text-anchor": anchor}, text);
}

function figure(title, drawing, ...more) {
  return el("figure", {}, el("figcaption", {}, title), drawing, ...more);
}

// How many jobs took how long, on a logarithmic scale.
function histogram(report) {
  const times = report.ms.filter((ms) => ms >= 0).map((ms) => Math.max(1, ms));
  if (times.length < 2) return null;
  const low = Math.floor(Math.log10(times.reduce((a, b) => Math.min(a, b))) * 3);
  const high = Math.floor(Math.log10(times.reduce((a, b) => Math.max(a, b))) * 3) + 1;
  const bins = new Array(high - low).fill(0);
  for (const ms of times) bins[Math.floor(Math.log10(ms) * 3) - low]++;
  const most = Math.max(...bins);
  const width = 440;
  const step = width / bins.length;
  const parts = bins.map((n, i) => svg("rect", {
    x: i * step + 1, width: Math.max(1, step - 2), y: 130 - 110 * n / most, height: 110 * n / most,
    class: "bar",
  }, svg("title", {}, `${duration(10 ** ((i + low) / 3))} to ${
    duration(10 ** ((i + low + 1) / 3))}: ${n} jobs`)));
  const every = Math.max(1, Math.ceil(bins.length / 7));
  for (let i = 0; i <= bins.length; i += every) {
    const anchor = i === 0 ? "start" : i === bins.length ? "end" : "middle";
    parts.push(label(i * step, 148, duration(10 ** ((i + low) / 3)), anchor));
  }
  const sorted = times.sort((a, b) => a - b);
  const middle = duration(sorted[sorted.length >> 1]);
  parts.push(label(width, 14, `median ${middle}, longest ${duration(sorted.at(-1))}`, "end"));
  return figure("How long jobs took", frame(width, 154, `Median ${middle}`, ...parts));
}

// How much of a resource was in use over the time of the session.
function usageArea(type, {slots, busy}, length) {
  const width = 640;
  const points = busy.map((n, i) => `${i * width / busy.length},${70 - 60 * n / slots} ${
    (i + 1) * width / busy.length},${70 - 60 * n / slots}`).join(" ");
  const share = Math.round(100 * busy.reduce((a, b) => a + b, 0) / busy.length / slots);
  const title = `${type} in use: ${share} % of ${slots}`;
  return figure(title, frame(width, 88, title,
    svg("polygon", {points: `0,70 ${points} ${width},70`, class: "bar"}),
    svg("line", {x1: 0, x2: width, y1: 10, y2: 10, class: "axis"}),
    label(0, 84, "0"), label(width, 84, duration(length), "end")));
}

// One column for each session: how many jobs came to what.
function sessionBars(sessions, outcomes) {
  const width = 440;
  const step = Math.min(40, width / sessions.length);
  const sums = sessions.map((s) => Object.values(s.counts).reduce((a, b) => a + b, 0));
  const most = Math.max(1, ...sums);
  const order = [...outcomes].sort((a, b) => RANK[b.kind] - RANK[a.kind]);
  const parts = sessions.flatMap((session, i) => {
    let y = 130;
    const total = svg("title", {}, `${session.name}: ${order.filter((o) => session.counts[o.name])
      .map((o) => `${session.counts[o.name]} ${o.name.toLowerCase()}`).join(", ")}`);
    const column = order.filter((o) => session.counts[o.name]).map((outcome) => {
      const height = 118 * session.counts[outcome.name] / most;
      y -= height;
      return svg("rect", {x: i * step + 1, width: step - 2, y, height, class: outcome.kind});
    });
    return svg("g", {}, total, ...column);
  });
  parts.push(label(0, 148, sessions[0].name.slice(0, 10)));
  if (sessions.length * step > 250) {
    parts.push(label(sessions.length * step, 148, sessions.at(-1).name.slice(0, 10), "end"));
  }
  return frame(width, 154, `${sessions.length} sessions`, ...parts);
}

// The times of one job over sessions; the sign says how it ended. `runs`: name, outcome, ms.
function trend(runs) {
  const known = runs.filter((run) => run.ms >= 0);
  if (known.length < 2) return null;
  const width = 640;
  const most = Math.max(1, ...known.map((run) => run.ms));
  const x = (i) => 20 + i * (width - 120) / (runs.length - 1);
  const y = (ms) => 100 - 80 * ms / most;
  const points = runs.map((run, i) => [run, i]).filter(([run]) => run.ms >= 0);
  const line = points.map(([run, i]) => `${x(i)},${y(run.ms)}`).join(" ");
  const marks = points.map(([run, i]) => svg("text", {
    x: x(i), y: y(run.ms) + 5, "text-anchor": "middle", class: `mark ${run.outcome.kind}`,
  }, run.outcome.sign, svg("title", {}, `${run.name}: ${run.outcome.name}, ${duration(run.ms)}`)));
  return frame(width, 126, `Time in ${runs.length} sessions`,
    svg("line", {x1: 10, x2: width - 90, y1: 100, y2: 100, class: "axis"}),
    svg("polyline", {points: line, class: "line"}), ...marks,
    label(width - 80, y(most) + 5, duration(most)), label(width - 80, 104, "0"),
    label(10, 122, runs[0].name.slice(0, 16)),
    label(width - 90, 122, runs.at(-1).name.slice(0, 16), "end"));
}

// A line of numbers as small as a word.
function spark(values) {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const y = (v) => (high > low ? 15 - 12 * (v - low) / (high - low) : 9);
  const x = (i) => 2 + 76 * i / (values.length - 1);
  return svg("svg", {viewBox: "0 0 84 18", class: "sparkline", "aria-hidden": "true"},
    svg("polyline", {points: values.map((v, i) => `${x(i)},${y(v)}`).join(" "), class: "line"}),
    svg("circle", {cx: x(values.length - 1), cy: y(values.at(-1)), r: 2.5, class: "bar"}));
}
