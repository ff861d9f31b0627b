// Where one is (the part of the address behind #), the keys that work everywhere, light and dark.

const THEMES = ["auto", "light", "dark"];

function themeButton() {
  let theme = "auto";
  try { theme = localStorage.getItem("canary-theme") ?? "auto"; } catch { /* not from a file, then */ }
  const button = el("button", {type: "button", class: "theme"});
  const apply = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = {auto: "◐ auto", light: "☀ light", dark: "☾ dark"}[theme];
    dispatchEvent(new Event("canary-theme"));
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try { localStorage.setItem("canary-theme", theme); } catch { /* the same */ }
    apply();
  });
  apply();
  return button;
}

class App {
  constructor(report) {
    this.report = report;
    this.main = document.getElementById("main");
    this.overview = document.getElementById("overview");
    const open = (job) => { location.hash = `#/job/${report.id[job]}`; };
    this.table = new JobTable(report, open);
    this.open = open;
    this.tabs = el("nav", {"aria-label": "Pages"});
    const views = [["", "Overview"], ["jobs", "Jobs"]];
    if (report.bars?.job.length) views.push(["timeline", "Timeline"]);
    if (report.bars) views.push(["graph", "Dependencies"], ["history", "History"]);
    views.forEach(([view, title]) => this.tabs.append(
      el("a", {href: `#/${view}`, "data-view": view}, title)));
    document.body.prepend(el("header", {}, el("h1", {}, "canary "), el("span", {class: "session"},
      report.session), this.tabs, themeButton()));
    drawCharts(report, document.getElementById("charts"));
    addEventListener("hashchange", () => this.go());
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("canary-theme", () => this.timeline?.draw());
    addEventListener("beforeprint", () => this.onPaper(true));
    addEventListener("afterprint", () => this.onPaper(false));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.timeline?.draw());
    this.go();
  }

  async go() {
    const [path, words] = location.hash.replace(/^#\/?/, "").split("?", 2);
    const [view, id] = path.split("/", 2);
    const ticket = this.ticket = {};
    const node = await this.view(view, id);
    if (ticket !== this.ticket) return;  // another address has been chosen meanwhile
    for (const tab of this.tabs.children) {
      const isHere = tab.dataset.view === (view === "job" ? "jobs" : view);
      if (isHere) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    this.main.className = node === this.table.node ? "fixed" : "";
    this.main.replaceChildren(node);
    if (view === "jobs") this.showTable(new URLSearchParams(words ?? ""));
    if (view === "timeline") this.timeline?.draw();
    if (view === "job") {
      scrollTo(0, 0);
      // what went wrong is said last
      const isPass = node.querySelector(".verdict .badge")?.classList.contains("pass");
      for (const pre of node.querySelectorAll("pre")) pre.scrollTop = isPass ? 0 : pre.scrollHeight;
      const title = node.querySelector("h2");
      title.tabIndex = -1;
      title.focus({preventScroll: true});
    }
  }

  // Paper is light, and a canvas has to be drawn again to be so.
  onPaper(isPrinting) {
    const {dataset} = document.documentElement;
    if (isPrinting) {
      this.themeOnScreen = dataset.theme;
      dataset.theme = "light";
    } else if (this.themeOnScreen) dataset.theme = this.themeOnScreen;
    else delete dataset.theme;
    this.timeline?.draw();
  }

  showTable(words) {
    const [query, sort] = [words.get("q") ?? "", words.get("sort") ?? "status"];
    const isBack = this.table.found && query === this.table.query && sort === this.table.sort;
    if (isBack) this.table.move(this.table.at);
    else this.table.show(query, sort);
    this.focusTable();
  }

  focusTable() {
    if (this.wantsFilter) this.table.box.select();
    (this.wantsFilter ? this.table.box : this.table.scroller).focus({preventScroll: true});
    this.wantsFilter = false;
  }

  async view(view, id) {
    const report = this.report;
    if (view === "jobs") return this.table.node;
    if (view === "timeline" && report.bars) {
      return (this.timeline ??= new Timeline(report, this.open)).node;
    }
    if (view === "graph" && report.bars) return graphView(report);
    if (view === "history" && report.bars) return historyView(report);
    if (view === "job") {
      const job = report.find(id ?? "");
      if (job >= 0) return jobView(report, job, this.table);
      return el("section", {}, el("h2", {}, "No such job"), el("p", {},
        "It is not in this report, or it had no room in it."));
    }
    return this.overview;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target.closest?.("input");
    if (event.key === "/" && !isTyping) {
      this.wantsFilter = true;
      if (this.table.node.isConnected) this.focusTable();
      else location.hash = this.table.hash();
    } else if (event.key === "Escape" && isTyping) {
      if (this.table.box.value) this.table.show("", this.table.sort);
      else this.table.scroller.focus();
    } else if (event.key === "Escape" && !this.table.node.isConnected) {
      location.hash = this.table.hash();
    } else if ((event.key === "Enter" || event.key === "ArrowDown") && isTyping) {
      this.table.scroller.focus();
    } else if (event.key === "[" || event.key === "]") {
      document.querySelector(event.key === "[" ? ".way a[rel=prev]" : ".way a[rel=next]")?.click();
      return;
    } else return;
    event.preventDefault();
  }
}

async function start() {
  const main = document.getElementById("main");
  try {
    const [columns, pages] = await Promise.all([unpack(0), unpack(1)]);
    new App(new Report(columns, pages));
    document.documentElement.dataset.ready = "";
  } catch (error) {
    main.prepend(el("p", {class: "trouble", role: "alert"}, typeof DecompressionStream === "undefined"
      ? "This browser is too old to read the data in this file: it needs DecompressionStream"
        + " (Chromium 80, Firefox 113, Safari 16.4)."
      : `The data in this file cannot be read: ${error}`));
  }
}

start();
