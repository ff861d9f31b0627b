// What is in the file: columns of all jobs, and pages that are unpacked when they are looked at.

async function unpack(number) {
  const text = document.getElementById(`data${number}`).textContent;
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

class Report {
  constructor(columns, pages) {
    Object.assign(this, columns);
    this.count = this.name.length;
    this.chunk = new Int32Array(this.count).fill(-1);
    this.place = new Int32Array(this.count);
    pages.forEach((jobs, chunk) => jobs.forEach((job, place) => {
      this.chunk[job] = chunk;
      this.place[job] = place;
    }));
    this.dependents = {};
    for (const [job, found] of Object.entries(this.deps)) {
      for (const other of found) (this.dependents[other] ??= []).push(Number(job));
    }
    this.counts = new Map();
    for (const outcome of this.outcome) this.counts.set(outcome, (this.counts.get(outcome) ?? 0) + 1);
    this.unpacked = new Map();
    this.orders = new Map();
    this.search = this.name.map((name, job) => [
      name, this.id[job], this.text("reason", job), this.text("file", job), this.text("words", job),
      this.outcomes[this.outcome[job]].name,
    ].join("\n").toLowerCase());
  }

  text(column, job) {
    return this[column].values[this[column].of[job]];
  }

  status(job) {
    return this.outcomes[this.outcome[job]];
  }

  // All jobs sorted; remembered, so that a filter has nothing to sort.
  order(sort) {
    if (!this.orders.has(sort)) {
      const keys = (SORTS[sort.replace("-", "")] ?? SORTS.status)(this);
      const sign = sort.startsWith("-") ? -1 : 1;
      this.orders.set(sort, [...keys.keys()].sort((a, b) => sign * (keys[a] - keys[b] || a - b)));
    }
    return this.orders.get(sort);
  }

  // The number of the job whose ID begins as `id` does; -1 if there is none.
  find(id) {
    return this.id.findIndex((short) => id.startsWith(short));
  }

  // The tree of a job's page, or null if it had no room.
  async page(job) {
    const chunk = this.chunk[job];
    if (chunk < 0) return null;
    if (!this.unpacked.has(chunk)) {
      if (this.unpacked.size > 20) this.unpacked.clear();
      this.unpacked.set(chunk, unpack(chunk + 2));
    }
    return (await this.unpacked.get(chunk))[this.place[job]];
  }
}

// What is wrong comes first.
const RANK = {fail: 0, aborted: 1, none: 2, notrun: 3, pass: 4, out: 5};
const SORTS = {
  status: (report) => report.outcome.map((number) =>
    100 * RANK[report.outcomes[number].kind] + number),
  name: (report) => report.outcome.map(() => 0),
  ms: (report) => report.ms,
  at: (report) => report.at,
  attempt: (report) => report.attempt,
};

// Words that must all be found, `-word` that must not, `outcome:X` (any of them), `slower:SECONDS`.
function compileQuery(report, text) {
  const tests = [];
  const wanted = new Set();
  for (const word of text.toLowerCase().split(/\s+/).filter(Boolean)) {
    const isNot = word.length > 1 && word.startsWith("-");
    const plain = isNot ? word.slice(1) : word;
    const [key, value] = plain.split(":", 2);
    let test = (job) => report.search[job].includes(plain);
    if (value && (key === "outcome" || key === "status")) {
      const found = new Set();
      report.outcomes.forEach((outcome, number) => {
        const name = outcome.name.toLowerCase().replace(" ", "-");
        if (name === value || outcome.kind === value) found.add(number);
      });
      if (!isNot) {
        found.forEach((number) => wanted.add(number));
        if (!found.size) wanted.add(-1);
        continue;
      }
      test = (job) => found.has(report.outcome[job]);
    } else if (key === "slower" && Number(value) >= 0) {
      test = (job) => report.ms[job] >= 1000 * Number(value);
    } else if (key === "keyword" && value) {
      test = (job) => report.text("words", job).toLowerCase().split(" ").includes(value);
    }
    tests.push(isNot ? (job) => !test(job) : test);
  }
  // what the session left out is shown when it is asked for
  tests.push(wanted.size ? (job) => wanted.has(report.outcome[job])
    : (job) => report.status(job).kind !== "out");
  return (job) => tests.every((test) => test(job));
}

// The jobs that a query finds, in the order of `sort`, a key of SORTS, with `-` for the reverse.
function select(report, query, sort) {
  return report.order(sort).filter(compileQuery(report, query));
}

// As `took` in page.py shows it, and the terminal from a second on.
function duration(ms) {
  if (!(ms >= 0)) return "–";
  const seconds = ms / 1000;
  if (seconds < 0.9995) return `${Math.round(ms)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
  const pair = (count, unit, part, less) => `${Math.floor(count / unit)}${part} ${
    String(count % unit).padStart(2, "0")}${less}`;
  if (Math.round(seconds) < 3600) return pair(Math.round(seconds), 60, "m", "s");
  const minutes = Math.round(seconds / 60);
  return minutes < 1440 ? pair(minutes, 60, "h", "m") : pair(Math.round(seconds / 3600), 24, "d", "h");
}
