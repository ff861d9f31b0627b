// What ran when, on which node and core; above it, how much of the machine was in use.

const GUTTER = 120, AXIS = 22, USAGE = 64, GAP = 1;

class Timeline {
  constructor(report, open) {
    this.report = report;
    this.open = open;
    const bars = report.bars;
    this.count = bars.job.length;
    this.length = Math.max(1, bars.start.reduce((most, at, i) => Math.max(most, at + bars.ms[i]), 0));
    this.critical = new Set(report.critical);
    this.from = 0;
    this.to = this.length;
    this.top = 0;
    this.current = -1;
    this.measureUsage();
    this.canvas = el("canvas", {
      tabindex: "0", role: "application", "aria-label":
        "Timeline. Arrow keys move, plus and minus zoom, 0 shows all, n and p go from job to job,"
        + " Enter opens one.",
      keydown: (event) => this.key(event), wheel: (event) => this.wheel(event),
      pointerdown: (event) => this.press(event), pointermove: (event) => this.move(event),
      pointerup: (event) => this.release(event), pointerleave: () => this.tell(-1),
    });
    this.said = el("p", {class: "said", role: "status"});
    const button = (text, name, click) => el("button", {type: "button", "aria-label": name, click}, text);
    this.node = el("section", {class: "timeline"},
      el("div", {class: "tools"},
        button("−", "Zoom out", () => this.zoom(2)), button("+", "Zoom in", () => this.zoom(0.5)),
        button("all", "Show all", () => this.zoom(Infinity)), this.legend()),
      this.canvas, this.said, el("div", {class: "charts"}, criticalPath(report),
        Object.entries(report.usage).map(([type, use]) => usageArea(type, use, this.length))));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  legend() {
    const kinds = ["pass", "fail", "aborted", "notrun"];
    return el("span", {class: "legend"}, kinds.map((kind) => el("span", {class: `key ${kind}`},
      `■ ${kind === "notrun" ? "not run" : kind}`)), el("span", {class: "key"}, "□ critical path"));
  }

  // Steps of a line: from `times[i]` on, `busy[i]` cores were in use.
  measureUsage() {
    const {start, ms, lanes} = this.report.bars;
    const changes = [];
    for (let i = 0; i < this.count; i++) {
      let cores = 0;
      for (let k = 1; k < lanes[i].length; k += 2) cores += lanes[i][k];
      changes.push([start[i], cores], [start[i] + ms[i], -cores]);
    }
    changes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    let busy = 0;
    this.steps = changes.map(([at, change]) => [at, busy += change]);
    const slots = Object.values(this.report.slots).reduce((a, b) => a + b, 0);
    this.cores = Math.max(1, slots, this.steps.reduce((most, step) => Math.max(most, step[1]), 0));
    let area = 0;
    this.steps.forEach(([at, n], i) => {
      area += n * ((this.steps[i + 1]?.[0] ?? this.length) - at);
    });
    this.usage = area / (this.cores * this.length);
  }

  x(at) {
    return GUTTER + (at - this.from) * this.scale;
  }

  y(lane) {
    return AXIS + USAGE + 8 + lane * (this.lane + GAP) - this.top;
  }

  draw() {
    const {canvas, report} = this;
    if (!canvas.isConnected || !canvas.clientWidth) return;
    this.lane = Math.max(16, Math.min(34, Math.floor(innerHeight * 0.4 / report.lanes.length)));
    const lanes = report.lanes.length * (this.lane + GAP);
    canvas.style.height = `${AXIS + USAGE + 16 + Math.max(40, Math.min(lanes, innerHeight * 0.6))}px`;
    const ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    this.scale = (width - GUTTER - 8) / (this.to - this.from);
    this.most = Math.max(0, lanes - (height - AXIS - USAGE - 16));
    this.top = Math.max(0, Math.min(this.most, this.top));
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    this.drawLanes(pen, colour, width, height);
    this.drawBars(pen, colour, width, height);
    this.drawUsage(pen, colour, width);
  }

  drawLanes(pen, colour, width, height) {
    let last = null;
    this.report.lanes.forEach(([node, core], lane) => {
      const y = this.y(lane);
      if (y > AXIS + USAGE - this.lane && y < height) {
        pen.fillStyle = colour(lane % 2 ? "panel" : "stripe");
        pen.fillRect(GUTTER, y, width - GUTTER - 8, this.lane);
        pen.fillStyle = colour("muted");
        pen.textAlign = "right";
        pen.fillText(core, GUTTER - 8, y + this.lane / 2);
        if (node !== last) {
          pen.textAlign = "left";
          pen.fillText(node || "no place", 4, y + this.lane / 2, GUTTER - 40);
        }
        last = node;
      }
    });
  }

  drawBars(pen, colour, width, height) {
    const {start, ms, outcome} = this.report.bars;
    const colours = this.report.outcomes.map((o) => colour(o.kind));
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, AXIS + USAGE + 8, width - GUTTER - 8, height);
    pen.clip();
    // what did not pass is drawn last, so that it is seen however narrow it is
    for (const isPass of [true, false]) {
      for (let i = 0; i < this.count; i++) {
        if ((this.report.outcomes[outcome[i]].kind === "pass") !== isPass) continue;
        if (start[i] + ms[i] < this.from || start[i] > this.to) continue;
        const x = this.x(start[i]);
        const gap = ms[i] * this.scale > 4 ? 1 : 0;
        const wide = Math.max(isPass ? 1 : 2, ms[i] * this.scale - gap);
        pen.fillStyle = colours[outcome[i]];
        this.drawBar(pen, colour, i, x, wide, height);
      }
    }
    pen.restore();
  }

  drawBar(pen, colour, i, x, wide, height) {
    const {job, lanes} = this.report.bars;
    for (let k = 0; k < lanes[i].length; k += 2) {
      const y = this.y(lanes[i][k]);
      const high = lanes[i][k + 1] * (this.lane + GAP) - GAP;
      if (y > height || y + high < AXIS + USAGE) continue;
      pen.fillRect(x, y, wide, high);
      if (this.critical.has(job[i]) || i === this.current) {
        pen.strokeStyle = colour("ink");
        pen.lineWidth = i === this.current ? 3 : 1.5;
        pen.strokeRect(x, y, wide, high);
      }
      if (k === 0 && wide > 60) this.drawName(pen, colour, this.report.name[job[i]], x, y, wide);
    }
  }

  drawName(pen, colour, name, x, y, wide) {
    pen.fillStyle = colour("panel");
    pen.textAlign = "left";
    const left = Math.max(x, GUTTER);
    const letters = Math.floor((wide - (left - x) - 8) / 6.6);
    const short = name.split("/").at(-1);
    const shown = short.length > letters ? `${short.slice(0, letters - 1)}…` : short;
    if (letters > 4) pen.fillText(shown, left + 4, y + this.lane / 2 + 1);
  }

  drawUsage(pen, colour, width) {
    pen.fillStyle = colour("panel");
    pen.fillRect(GUTTER, AXIS, width - GUTTER - 8, USAGE);
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, AXIS, width - GUTTER - 8, USAGE);
    pen.clip();
    pen.fillStyle = colour("accent");
    this.busyByPixel(Math.ceil(width - GUTTER - 8)).forEach((busy, i) => {
      const high = USAGE * busy / this.cores;
      pen.fillRect(GUTTER + i, AXIS + USAGE - high, 1.02, high);
    });
    pen.restore();
    pen.fillStyle = colour("muted");
    pen.textAlign = "left";
    pen.fillText(`${Math.round(100 * this.usage)} % of ${this.cores}`, 4, AXIS + 12);
    pen.fillText(this.cores === 1 ? "core in use" : "cores in use", 4, AXIS + 28);
    pen.textAlign = "center";
    const step = niceStep((this.to - this.from) / Math.max(2, (width - GUTTER) / 110));
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      const x = this.x(at);
      if (x > width - 40) break;
      pen.fillText(duration(Math.round(at)), Math.max(x, GUTTER + 14), 10);
      pen.fillRect(x, AXIS - 5, 1, 5);
    }
  }

  // How many cores were in use, as the mean over the time that a pixel stands for.
  busyByPixel(pixels) {
    const sums = new Float64Array(pixels);
    this.steps.forEach(([at, busy], i) => {
      const left = Math.max(0, (at - this.from) * this.scale);
      const right = Math.min(pixels, ((this.steps[i + 1]?.[0] ?? this.length) - this.from) * this.scale);
      for (let pixel = Math.floor(left); pixel < right; pixel++) {
        sums[pixel] += busy * (Math.min(right, pixel + 1) - Math.max(left, pixel));
      }
    });
    return sums;
  }

  zoom(factor, at = (this.from + this.to) / 2) {
    const span = Math.min(this.length, Math.max(2, (this.to - this.from) * factor));
    const share = (at - this.from) / (this.to - this.from);
    this.pan(Math.max(0, at - share * span), span);
  }

  pan(from, span = this.to - this.from) {
    this.from = Math.max(0, Math.min(this.length - span, from));
    this.to = this.from + span;
    this.draw();
  }

  key(event) {
    const step = (this.to - this.from) / 8;
    const keys = {
      ArrowLeft: () => this.pan(this.from - step), ArrowRight: () => this.pan(this.from + step),
      ArrowUp: () => { this.top -= 3 * this.lane; this.draw(); },
      ArrowDown: () => { this.top += 3 * this.lane; this.draw(); },
      "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2),
      0: () => this.zoom(Infinity), n: () => this.step(1), p: () => this.step(-1),
      Enter: () => this.current >= 0 && this.open(this.report.bars.job[this.current]),
    };
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    keys[event.key]();
    event.preventDefault();
  }

  // The next bar in time, brought into sight.
  step(by) {
    const next = Math.max(0, Math.min(this.count - 1, this.current + by));
    const at = this.report.bars.start[next];
    if (at < this.from || at > this.to) this.pan(at - (this.to - this.from) / 2);
    const y = this.y(this.report.bars.lanes[next][0]);
    if (y < AXIS + USAGE + 8 || y > this.canvas.clientHeight - this.lane) this.top += y - AXIS - USAGE - 30;
    this.tell(next);
  }

  tell(bar) {
    if (bar === this.current) return;
    this.current = bar;
    const {report} = this;
    const {job, attempt, outcome, start, ms, lanes} = report.bars;
    if (bar >= 0) {
      const [node, core] = report.lanes[lanes[bar][0]];
      this.said.textContent = `${report.name[job[bar]]}${attempt[bar] > 1 ? ` (try ${attempt[bar]})` : ""}: ${
        report.outcomes[outcome[bar]].name}, ${duration(ms[bar])} from +${duration(start[bar])}, ${
        node} core ${core}`;
    }
    this.draw();
  }

  hit(event) {
    const {start, ms, lanes} = this.report.bars;
    const at = this.from + (event.offsetX - GUTTER) / this.scale;
    const lane = Math.floor((event.offsetY - this.y(0)) / (this.lane + GAP));
    const slack = 2 / this.scale;
    if (event.offsetX < GUTTER || event.offsetY < AXIS + USAGE) return -1;
    for (let i = this.count - 1; i >= 0; i--) {
      if (start[i] - slack > at || start[i] + ms[i] + slack < at) continue;
      for (let k = 0; k < lanes[i].length; k += 2) {
        if (lane >= lanes[i][k] && lane < lanes[i][k] + lanes[i][k + 1]) return i;
      }
    }
    return -1;
  }

  wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      this.zoom(event.deltaY > 0 ? 1.3 : 1 / 1.3, this.from + (event.offsetX - GUTTER) / this.scale);
    } else if (this.most) {
      const before = this.top;
      this.top += event.deltaY;
      this.draw();
      if (this.top === before) return;
    } else return;
    event.preventDefault();
  }

  press(event) {
    this.drag = {x: event.clientX, from: this.from, moved: false};
    this.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.drag) {
      this.tell(this.hit(event));
      return;
    }
    const by = event.clientX - this.drag.x;
    if (Math.abs(by) > 4) this.drag.moved = true;
    if (this.drag.moved) this.pan(this.drag.from - by / this.scale);
  }

  release(event) {
    const bar = this.drag && !this.drag.moved ? this.hit(event) : -1;
    this.drag = null;
    if (bar >= 0) this.open(this.report.bars.job[bar]);
  }
}

// A step of at least so many milliseconds whose multiples are easily read.
function niceStep(least) {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1, 2, 5, 10, 15, 30, 1, 2, 5, 10, 15, 30, 1, 2, 6, 12]
    .map((n, i) => n * (i < 9 ? 1 : i < 15 ? 1000 : i < 21 ? 60_000 : 3_600_000));
  return steps.find((n) => n >= least) ?? Math.ceil(least / 86_400_000) * 86_400_000;
}
