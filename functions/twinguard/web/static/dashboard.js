// SPDX-License-Identifier: Apache-2.0
// What pages gain with JavaScript: times in the reader's zone, charts to point at, live findings.
// Nothing here is needed to read or to act. Loaded before htmx, so that none of its events is missed.
"use strict";

(() => {
  const ROWS = 200; // findings that stay on the live page
  const SETTLED = 700; // milliseconds without news before they are announced

  // --- times ---------------------------------------------------------------------------------
  const NEAR = 300 * 24 * 3600 * 1000; // further away the year is said
  const short = { month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit" };
  const near = new Intl.DateTimeFormat(undefined, short);
  const far = new Intl.DateTimeFormat(undefined, { ...short, year: "numeric" });
  function localTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = time.textContent;
      time.textContent = (Math.abs(Date.now() - at) < NEAR ? near : far).format(at);
    }
  }

  // --- charts --------------------------------------------------------------------------------
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = (currency) => (plot, value) =>
    value == null ? "–" : value.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 }) + " " + currency;

  function month(told) {
    const { sum, low, high } = told.series;
    const limits = told.levels.map(([name, amount]) => ({
      label: `${name} of the budget`, stroke: colour("--high"), dash: [5, 4], width: 1,
      points: { show: false }, value: shown(told.currency), data: told.x.map(() => amount),
    }));
    const series = [
      { label: "Day", value: (plot, at) => at == null ? "–" : day(at) },
      { label: "So far", stroke: colour("--accent"), width: 2, points: { show: false }, value: shown(told.currency) },
      { label: "Likely, low", stroke: colour("--band"), width: 1, points: { show: false }, value: shown(told.currency) },
      { label: "Likely, high", stroke: colour("--band"), width: 1, points: { show: false }, value: shown(told.currency) },
      ...limits.map(({ data, ...one }) => one),
    ];
    const data = [told.x, sum, low, high, ...limits.map((one) => one.data)];
    return { data, series, bands: [{ series: [3, 2], fill: colour("--band") }] };
  }
  function days(told) {
    const series = [
      { label: "Day", value: (plot, at) => at == null ? "–" : day(at) },
      { label: "Net", stroke: colour("--accent"), width: 1.5, points: { show: false }, value: shown(told.currency) },
    ];
    return { data: [told.x, told.series.day], series, bands: [] };
  }
  // Days are dates without a zone: drawn and named in UTC, so that nobody's zone moves them.
  const date = new Intl.DateTimeFormat(undefined, { timeZone: "UTC", day: "numeric", month: "short" });
  const day = (at) => date.format(new Date(at * 1000));

  // The limits' names, on their lines; of names that would overlap, the higher one stays.
  function names(plot, levels) {
    const pen = plot.ctx, scale = devicePixelRatio;
    pen.save();
    pen.font = `${12 * scale}px system-ui, sans-serif`;
    pen.fillStyle = colour("--high");
    pen.textAlign = "left";
    pen.textBaseline = "alphabetic";
    let free = -Infinity;
    for (const [name, amount] of [...levels].reverse()) {
      const at = plot.valToPos(amount, "y", true) - 5 * scale;
      if (at - free < 14 * scale) continue;
      pen.fillText(`${name} of the budget`, plot.bbox.left + 6 * scale, at);
      free = at;
    }
    pen.restore();
  }

  function draw(figure) {
    const told = JSON.parse(figure.dataset.chart);
    const made = figure.dataset.kind === "month" ? month(told) : days(told);
    const axis = {
      stroke: colour("--faint"), font: "12px system-ui, sans-serif",
      grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 },
    };
    const top = Math.max(...made.data.slice(1).flat().filter((value) => value != null), 0);
    figure.querySelector(".uplot")?.remove();
    const width = Math.min(figure.clientWidth, 1140);
    const plot = new uPlot({
      width, height: Math.round(Math.min(300, Math.max(210, width * 0.32))),
      series: made.series, bands: made.bands, tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      scales: { y: { range: (plot, low) => [Math.min(0, low), top * 1.06 || 1] } },
      axes: [
        { ...axis, values: (plot, marks) => marks.map(day), space: 64, grid: { show: false } },
        { ...axis, size: 60, values: (plot, marks) => marks.map((mark) => mark.toLocaleString()) },
      ],
      hooks: { draw: [(plot) => names(plot, told.levels)] },
      cursor: { drag: { x: figure.dataset.kind === "days", y: false } },
    }, made.data, figure);
    plot.root.setAttribute("role", "img");
    plot.root.setAttribute("aria-label", figure.querySelector("svg").getAttribute("aria-label"));
    figure.classList.add("drawn");
  }
  function charts() {
    if (typeof uPlot === "undefined") return;
    for (const figure of document.querySelectorAll("figure[data-chart]")) draw(figure);
  }

  // --- live findings -------------------------------------------------------------------------
  function live() {
    const stream = document.getElementById("stream");
    const state = document.getElementById("live-state");
    const body = document.getElementById("findings");
    if (!stream || !state || !body) return;
    let fresh = 0, waiting;
    state.textContent = "Connecting";
    const say = (text, on) => { state.textContent = text; state.classList.toggle("on", on); };
    stream.addEventListener("htmx:sse:after:connection", () => say("Live", true));
    stream.addEventListener("htmx:sse:error", () => say("Not connected; trying again", false));
    stream.addEventListener("htmx:sse:close", () => say("Not live any more; load the page again", false));
    stream.addEventListener("reload", () => location.reload());
    stream.addEventListener("htmx:sse:after:message", () => {
      document.getElementById("no-findings")?.remove();
      localTimes(body);
      while (body.rows.length > ROWS) body.lastElementChild.remove();
      const row = body.firstElementChild;
      row?.classList.add("fresh");
      setTimeout(() => row?.classList.remove("fresh"), 100);
      fresh += 1;
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        say(`Live: ${fresh} new ${fresh === 1 ? "finding" : "findings"}`, true);
      }, SETTLED);
    });
  }

  localTimes(document);
  document.addEventListener("htmx:after:swap", (event) => localTimes(event.target instanceof Element ? event.target : document));
  live();
  if (document.readyState === "complete") charts();
  else addEventListener("load", charts);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", charts);
  let resized;
  addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(charts, 150); });
})();
