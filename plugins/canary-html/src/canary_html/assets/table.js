// The table of all jobs: only the rows in sight are drawn, however many there are.

const ROW = 30;
const COLUMNS = [
  ["status", "Status"], ["name", "Job"], ["ms", "Time"], ["at", "Start"], ["attempt", "Tries"],
  [null, "Reason"],
];

function badge(status, isShort) {
  const word = status.name.toUpperCase();
  const parts = isShort || status.kind === "out" ? [word] : [
    el("span", {class: "long"}, `${status.kind.toUpperCase()} (`), word, el("span", {class: "long"}, ")")];
  return el("span", {class: `badge ${status.kind}`}, `${status.sign} `, parts);
}

class JobTable {
  constructor(report, open) {
    this.report = report;
    this.open = open;
    this.query = "";
    this.sort = "status";
    this.at = 0;
    this.box = el("input", {
      type: "search", class: "filter", "aria-label": "Filter the jobs", spellcheck: "false",
      placeholder: "Filter: words, -word, outcome:timeout, keyword:fast, slower:10   ( / )",
      input: () => this.show(this.box.value, this.sort),
    });
    this.said = el("span", {class: "said", role: "status"});
    this.chips = el("div", {class: "chips"});
    this.head = el("div", {class: "row head", role: "row"});
    this.body = el("div", {class: "rows", role: "presentation"});
    this.space = el("div", {class: "space", role: "presentation"}, this.body);
    this.scroller = el("div", {
      class: "scroller", tabindex: "0", role: "grid", "aria-label": "Jobs",
      scroll: () => this.draw(), keydown: (event) => this.key(event),
      click: (event) => this.click(event),
    }, this.head, this.space);
    this.print = el("table", {class: "print"});
    this.node = el("section", {class: "jobs"},
      el("div", {class: "tools"}, this.box, this.said), this.chips, this.scroller, this.print);
    addEventListener("resize", () => this.draw());
    addEventListener("beforeprint", () => this.fillPrint());
  }

  // Show what the query finds, from the top.
  show(query, sort) {
    this.query = query;
    this.sort = sort;
    if (this.box.value !== query) this.box.value = query;
    this.found = select(this.report, query, sort);
    this.at = 0;
    this.said.textContent = `${this.found.length.toLocaleString("en")} of ${
      this.report.all.toLocaleString("en")} jobs`;
    this.scroller.setAttribute("aria-rowcount", this.found.length + 1);
    this.space.style.height = `${this.found.length * ROW}px`;
    this.scroller.scrollTop = 0;
    this.drawHead();
    this.drawChips();
    this.draw();
    history.replaceState(null, "", this.hash());
  }

  hash() {
    const words = new URLSearchParams();
    if (this.query) words.set("q", this.query);
    if (this.sort !== "status") words.set("sort", this.sort);
    return `#/jobs${words.size ? `?${words}` : ""}`;
  }

  drawHead() {
    this.head.replaceChildren(...COLUMNS.map(([key, title], number) => {
      const cell = el("div", {class: `cell c${number}`, role: "columnheader"});
      if (key === null) return fill(cell, {}, [title]);
      const isThis = this.sort.replace("-", "") === key;
      const isDown = this.sort.startsWith("-");
      if (isThis) cell.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      // what takes long or was tried often is looked for from the top
      const first = key === "ms" || key === "attempt" ? `-${key}` : key;
      const next = !isThis ? first : isDown ? key : `-${key}`;
      return fill(cell, {}, [el("button", {type: "button", click: () => this.show(this.query, next)},
        title, isThis ? (isDown ? " ▾" : " ▴") : "")]);
    }));
  }

  drawChips() {
    const words = this.query.split(/\s+/).filter(Boolean);
    const numbers = [...this.report.counts.keys()].sort((a, b) => a - b);
    const buttons = numbers.map((number) => {
      const outcome = this.report.outcomes[number];
      const word = `outcome:${outcome.name.toLowerCase().replace(" ", "-")}`;
      const isOn = words.includes(word);
      const rest = words.filter((other) => other !== word);
      return el("button", {
        type: "button", class: `chip ${outcome.kind}`, "aria-pressed": String(isOn),
        click: () => {
          this.show((isOn ? rest : [...rest, word]).join(" "), this.sort);
          this.chips.children[numbers.indexOf(number)].focus();
        },
      }, `${outcome.sign} ${outcome.name.toLowerCase()} ${
        this.report.counts.get(number).toLocaleString("en")}`);
    });
    this.chips.replaceChildren(...buttons);
  }

  draw() {
    if (!this.found || !this.scroller.isConnected) return;
    const top = Math.max(0, this.scroller.scrollTop);
    const first = Math.max(0, Math.floor(top / ROW) - 8);
    const last = Math.min(this.found.length, first + Math.ceil(this.scroller.clientHeight / ROW) + 16);
    const rows = [];
    for (let at = first; at < last; at++) rows.push(this.row(at));
    this.body.style.transform = `translateY(${first * ROW}px)`;
    this.body.replaceChildren(...rows);
    const isSeen = this.at >= first && this.at < last;
    if (isSeen) this.scroller.setAttribute("aria-activedescendant", `row${this.at}`);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  row(at) {
    const job = this.found[at];
    const report = this.report;
    const texts = [
      badge(report.status(job)), report.name[job], duration(report.ms[job]),
      report.at[job] < 0 ? "" : `+${duration(report.at[job])}`,
      report.attempt[job] > 1 ? String(report.attempt[job]) : "", report.text("reason", job),
    ];
    const cells = texts.map((text, number) => el("div", {
      class: `cell c${number}`, role: "gridcell",
      title: typeof text === "string" && text.length > 20 ? text : null,
    }, text));
    return el("div", {
      class: `row${at === this.at ? " current" : ""}`, id: `row${at}`, role: "row",
      "aria-rowindex": at + 2, "aria-selected": String(at === this.at),
    }, cells);
  }

  click(event) {
    const row = event.target.closest(".rows > .row");
    if (!row) return;
    this.at = Number(row.id.slice(3));
    this.open(this.found[this.at]);
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW) - 2);
    const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, j: 1, k: -1,
      Home: -Infinity, End: Infinity};
    if (event.target !== this.scroller || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter" && this.found.length) this.open(this.found[this.at]);
    else if (event.key in steps) this.move(this.at + steps[event.key]);
    else return;
    event.preventDefault();
  }

  // Make a row the current one and bring it into sight.
  move(to) {
    this.at = Math.max(0, Math.min(this.found.length - 1, to));
    const top = this.at * ROW;
    const height = this.scroller.clientHeight - this.head.offsetHeight - ROW;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top > this.scroller.scrollTop + height) this.scroller.scrollTop = top - height;
    this.draw();
  }

  // Paper does not scroll: the first rows as they are.
  fillPrint() {
    if (!this.found || !this.node.isConnected) return;
    const rows = this.found.slice(0, 1000).map((job) => el("tr", {},
      el("td", {}, badge(this.report.status(job))), el("td", {}, this.report.name[job]),
      el("td", {}, duration(this.report.ms[job])), el("td", {}, this.report.text("reason", job))));
    const more = this.found.length - rows.length;
    if (more > 0) rows.push(el("tr", {}, el("td", {colspan: 4}, `... ${more} more`)));
    this.print.replaceChildren(...rows);
  }
}
