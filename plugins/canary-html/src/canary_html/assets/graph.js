// Dependencies as a drawing: from left to right, what is waited for before what waits.

const LEVEL = 262, SEAT = 34, BOX = 222;

// Jobs up to `far` steps before and behind `job`, at most `most`.
function neighbours(report, job, far, most) {
  const found = new Set([job]);
  for (const next of [(n) => report.deps[n], (n) => report.dependents[n]]) {
    let edge = [job];
    for (let step = 0; step < far; step++) {
      edge = edge.flatMap((n) => next(n) ?? []).filter((n) => !found.has(n));
      for (const n of edge) if (found.size < most) found.add(n);
    }
  }
  return [...found];
}

// Column of each job: one more than that of the last it waits for.
function levels(report, jobs) {
  const inside = new Set(jobs);
  const level = new Map();
  const place = (job, above) => {
    if (level.has(job)) return level.get(job);
    if (above.has(job)) return 0;
    above.add(job);
    const before = (report.deps[job] ?? []).filter((n) => inside.has(n));
    const found = before.reduce((most, n) => Math.max(most, place(n, above) + 1), 0);
    above.delete(job);
    level.set(job, found);
    return found;
  };
  jobs.forEach((job) => place(job, new Set()));
  return level;
}

// Seats in each column, so that lines are short: each job near the middle of its neighbours.
function seats(report, jobs, level) {
  const columns = [];
  for (const job of jobs) (columns[level.get(job)] ??= []).push(job);
  const seat = new Map();
  const number = () => columns.forEach((column) => column.forEach((job, i) =>
    seat.set(job, i - column.length / 2)));
  number();
  for (let pass = 0; pass < 6; pass++) {
    const links = pass % 2 ? report.dependents : report.deps;
    for (const column of columns) {
      const middle = new Map(column.map((job) => {
        const near = (links[job] ?? []).filter((n) => seat.has(n));
        return [job, near.length ? near.reduce((sum, n) => sum + seat.get(n), 0) / near.length
          : seat.get(job)];
      }));
      column.sort((a, b) => middle.get(a) - middle.get(b) || a - b);
    }
    number();
  }
  return {columns, seat};
}

function drawGraph(report, jobs, current = -1) {
  const level = levels(report, jobs);
  const {columns, seat} = seats(report, jobs, level);
  const tallest = Math.max(...columns.map((column) => column.length));
  const x = (job) => 10 + level.get(job) * LEVEL;
  const y = (job) => 10 + (seat.get(job) + tallest / 2) * SEAT;
  const critical = new Set(report.critical);
  const edges = jobs.flatMap((job) => (report.deps[job] ?? []).filter((n) => level.has(n)).map((n) => {
    const [x1, y1, x2, y2] = [x(n) + BOX, y(n) + 13, x(job), y(job) + 13];
    const isCritical = critical.has(n) && critical.has(job);
    return svg("path", {class: `edge${isCritical ? " critical" : ""}`,
      d: `M${x1},${y1} C${x1 + 30},${y1} ${x2 - 30},${y2} ${x2},${y2}`});
  }));
  const boxes = jobs.map((job) => {
    const status = report.status(job);
    const name = report.name[job];
    const base = name.length > 25 ? name.slice(name.lastIndexOf("/") + 1) : name;
    const short = base.length > 25 ? `${base.slice(0, 14)}…${base.slice(-10)}` : base;
    return svg("a", {href: `#/job/${report.id[job]}`, class: `box ${status.kind}${
      job === current ? " current" : ""}`},
      svg("title", {}, `${name}: ${status.name}`),
      svg("rect", {x: x(job), y: y(job), width: BOX, height: 26, rx: 4}),
      svg("text", {x: x(job) + 8, y: y(job) + 17, class: `mark ${status.kind}`}, status.sign),
      svg("text", {x: x(job) + 26, y: y(job) + 17}, short));
  });
  const width = columns.length * LEVEL - (LEVEL - BOX) + 20;
  const height = tallest * SEAT + 12;
  const drawing = svg("svg", {viewBox: `0 0 ${width} ${height}`, width, height, class: "graph",
    role: "group", "aria-label": "Dependencies"}, ...edges, ...boxes);
  const box = el("div", {class: "wide", tabindex: "0"}, drawing);
  const middle = current < 0 ? columns[0][0] : current;
  requestAnimationFrame(() => {  // when it is on the page
    box.scrollTo(x(middle) - box.clientWidth / 2, y(middle) - box.clientHeight / 2);
  });
  return box;
}
