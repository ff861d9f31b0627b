// The pages: each is made from the report when it is looked at.

function jobLink(report, job) {
  return el("a", {href: `#/job/${report.id[job]}`}, report.name[job]);
}

function listing(head, rows) {
  return el("table", {},
    el("thead", {}, el("tr", {}, head.map((title) => el("th", {scope: "col"}, title)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) =>
      el("td", {class: typeof cell === "string" && cell.length < 12 ? "short" : null}, cell))))));
}

// A figure as wide as the page.
function broad(title, ...parts) {
  return fill(figure(title, ...parts), {class: "broad"}, []);
}

// What the overview shows beside what stands in the file already.
function drawCharts(report, box) {
  const slow = [...report.ms.keys()].filter((job) => report.ms[job] >= 0)
    .sort((a, b) => report.ms[b] - report.ms[a]).slice(0, 8);
  const parts = [
    reasons(report), histogram(report),
    slow.length ? figure("Slowest", listing(["Time", "Job"],
      slow.map((job) => [duration(report.ms[job]), jobLink(report, job)]))) : null,
    criticalPath(report),
    report.notices.length ? figure("Warnings", el("ul", {},
      report.notices.map((text) => el("li", {}, text)))) : null,
  ];
  box.replaceChildren(...parts.filter(Boolean));
}

// What went wrong, the most frequent first.
function reasons(report) {
  const groups = new Map();
  for (let job = 0; job < report.count; job++) {
    const kind = report.status(job).kind;
    if (kind === "pass" || kind === "out") continue;
    const key = `${report.outcome[job]} ${report.text("reason", job)}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(job);
  }
  if (!groups.size) return null;
  const rank = (jobs) => RANK[report.status(jobs[0]).kind];
  const order = [...groups.values()].sort((a, b) => rank(a) - rank(b) || b.length - a.length);
  const rows = order.slice(0, 12).map((jobs) => [
    badge(report.status(jobs[0]), true), String(jobs.length), report.text("reason", jobs[0]),
    [jobLink(report, jobs[0]), jobs.length > 1 ? [" and ", outcomeLink(report, jobs)] : ""].flat(),
  ]);
  const drawing = listing(["Status", "Jobs", "Reason", "Job"], rows);
  const more = order.length - rows.length;
  return broad("What did not pass", drawing,
    more > 0 ? el("p", {}, `... ${more} more reasons`) : null);
}

// To all that came to the same for the same reason: what its words find, but those that a filter
// reads otherwise.
function outcomeLink(report, jobs) {
  const words = report.text("reason", jobs[0]).split(/\s+/).filter((word) => word
    && !/^-|^(outcome|status|slower|keyword):/i.test(word)).slice(0, 20);
  const query = [`outcome:${report.status(jobs[0]).name.toLowerCase()}`, ...words].join(" ");
  return el("a", {href: `#/jobs?${new URLSearchParams({q: query})}`},
    `${(jobs.length - 1).toLocaleString("en")} more`);
}

function criticalPath(report) {
  const path = report.critical;
  if (path.length < 2) return null;
  let before = 0;
  const rows = path.map((job) => {
    const waited = Math.max(0, report.at[job] - before);
    before = report.at[job] + report.ms[job];
    return [duration(waited), duration(report.ms[job]), jobLink(report, job)];
  });
  const ran = path.reduce((sum, job) => sum + Math.max(0, report.ms[job]), 0);
  const title = `Critical path: ${path.length} jobs that wait for each other run ${duration(ran)}`;
  const shown = rows.length > 12 ? [...rows.slice(0, 6), ["", "", "..."], ...rows.slice(-5)] : rows;
  return figure(title, listing(["Waited", "Ran", "Job"], shown));
}

// The runs of a job in all sessions that are known, this one last.
function runs(report, job) {
  const earlier = report.past.map((session, i) => ({
    name: report.sessions[i].name, outcome: report.outcomes[session.outcome[job]],
    ms: session.ms[job],
  })).filter((run) => run.outcome);
  return [...earlier, {name: report.text("ran", job), outcome: report.status(job), ms: report.ms[job]}];
}

async function jobView(report, job, table) {
  const tree = await report.page(job);
  const page = tree ? build(tree) : shortPage(report, job);
  for (const node of page.querySelectorAll(".spark")) {
    const values = node.dataset.v.split(",").map(Number);
    if (values.length > 1 && values.every(Number.isFinite)) node.prepend(spark(values));
  }
  const extra = [];
  const found = runs(report, job);
  const drawing = found.length > 1 ? trend(found) : null;
  if (drawing) extra.push(el("section", {}, el("h3", {}, "Over sessions"), drawing));
  if (report.deps[job] || report.dependents[job]) {
    const near = neighbours(report, job, 2, 60);
    extra.push(el("section", {}, el("h3", {}, "Around it"), drawGraph(report, near, job)));
  }
  const output = page.querySelector("pre.output");
  const after = output ? output.closest("section") : page.querySelector(".verdict");
  after.after(...extra);
  const path = report.beside.split("/").map(encodeURIComponent).join("/");
  const whole = path ? el("a", {href: `${path}/${report.id[job]}.html`}, "whole page") : null;
  page.prepend(el("p", {class: "way"}, el("a", {href: table.hash()}, "← jobs"),
    step(report, job, table, -1), step(report, job, table, 1), whole));
  return page;
}

function step(report, job, table, by) {
  const at = (table.found ?? []).indexOf(job);
  const next = at < 0 ? undefined : table.found[at + by];
  if (next === undefined) return null;
  return el("a", {href: `#/job/${report.id[next]}`, rel: by < 0 ? "prev" : "next",
    title: report.name[next]}, by < 0 ? "previous" : "next");
}

function shortPage(report, job) {
  const reason = report.text("reason", job);
  return el("article", {}, el("h2", {class: "name"}, report.name[job]),
    el("p", {class: "verdict"}, badge(report.status(job)),
      reason ? el("span", {class: "reason"}, reason) : null),
    build(["facts", {}, "Time", duration(report.ms[job]), "Test file", report.text("file", job),
      "ID", report.id[job]]),
    el("p", {}, "More was left out to keep this file small: canary report html --full DIR has all."));
}

function graphView(report) {
  const linked = new Set(Object.keys(report.deps).map(Number));
  Object.keys(report.dependents).forEach((job) => linked.add(Number(job)));
  const jobs = [...linked].sort((a, b) => a - b);
  if (!jobs.length) return el("section", {}, el("p", {}, "No job depends on another."));
  if (jobs.length <= 200) return el("section", {}, drawGraph(report, jobs));
  const most = jobs.map((job) => [job, (report.deps[job]?.length ?? 0)
    + (report.dependents[job]?.length ?? 0)]).sort((a, b) => b[1] - a[1]).slice(0, 30);
  return el("section", {},
    el("p", {}, `${jobs.length.toLocaleString("en")} jobs have dependencies, too many to draw at`
      + " once. The page of each shows those around it. These have most:"),
    listing(["Links", "Job"], most.map(([job, n]) => [String(n), jobLink(report, job)])));
}

function historyView(report) {
  const counts = {};
  report.counts.forEach((n, outcome) => {
    const {name, kind} = report.outcomes[outcome];
    if (kind !== "out") counts[name] = n;
  });
  const ms = report.ms.reduce((sum, one) => sum + Math.max(0, one), 0);
  const sessions = [...report.sessions, {name: report.session, counts, ms}];
  const last = report.past.at(-1);
  const parts = [broad("Jobs of each session", sessionBars(sessions, report.outcomes))];
  if (last) {
    const changed = [...report.name.keys()].filter((job) => last.outcome[job] >= 0
      && report.status(job).kind !== "out" && report.outcomes[last.outcome[job]].kind !== report.status(job).kind);
    changed.sort((a, b) => RANK[report.status(a).kind] - RANK[report.status(b).kind]);
    parts.push(broad(`Changed since ${report.sessions.at(-1).name}`, changed.length
      ? listing(["Before", "Now", "Job"], changed.slice(0, 200).map((job) => [
        badge(report.outcomes[last.outcome[job]], true), badge(report.status(job), true),
        jobLink(report, job)])) : el("p", {}, "No job came to another end.")));
    const slower = [...report.name.keys()].filter((job) => last.ms[job] >= 0 && report.ms[job] >= 0
      && Math.abs(report.ms[job] - last.ms[job]) > Math.max(50, 0.2 * last.ms[job]));
    slower.sort((a, b) => Math.abs(report.ms[b] - last.ms[b]) - Math.abs(report.ms[a] - last.ms[a]));
    parts.push(broad("Time changed by more than a fifth", slower.length
      ? listing(["Before", "Now", "Job"], slower.slice(0, 25).map((job) => [
        duration(last.ms[job]), duration(report.ms[job]), jobLink(report, job)]))
      : el("p", {}, "None.")));
  } else parts.push(el("p", {}, "There is no earlier session to compare with."));
  return el("section", {class: "charts"}, ...parts);
}
