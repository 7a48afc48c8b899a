"use strict";
/* The three charts, drawn by uPlot. The legend and the table of each chart show the same values as text. */

const Charts = (() => {
  const CHARTS = {
    rate: { series: ["rate"], format: (value) => rounded(value) },
    errors: { series: ["client_errors", "server_errors"], format: (value) => String(value) },
    latency: { series: ["p50_ms", "p95_ms", "p99_ms"], format: (value) => duration(value) },
  };
  const COLOURS = {
    rate: "--accent", client_errors: "--amber", server_errors: "--red", p50_ms: "--p50", p95_ms: "--p95", p99_ms: "--p99",
  };
  const drawn = new Map();
  let columns = null;

  function rounded(value) {
    return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
  }

  function duration(milliseconds) {
    if (milliseconds === null || milliseconds === undefined) return "–";
    if (milliseconds >= 10000) return `${(milliseconds / 1000).toFixed(1)} s`;
    if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
    return `${milliseconds >= 100 ? milliseconds.toFixed(0) : milliseconds.toFixed(1)} ms`;
  }

  function clock(seconds) {
    return new Date(seconds * 1000).toISOString().slice(11, 16); // UTC, as in logs and records
  }

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function dataOf(name) {
    const values = CHARTS[name].series.map((key) => columns[key]);
    // The bars overlap: the sum of both series is behind the server errors.
    if (name === "errors") values[0] = values[0].map((count, index) => count + values[1][index]);
    return [columns.time, ...values];
  }

  function seriesOf(name, key) {
    const stroke = colour(COLOURS[key]);
    if (name === "errors") {
      return { stroke, fill: stroke, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.7, 18] }) };
    }
    return { stroke, width: 1.75, fill: name === "rate" ? `${stroke}1f` : undefined, points: { show: true, size: 5, fill: stroke, filter: lonely } };
  }

  /* A value between two gaps has no line, so it is drawn as a point. */
  function lonely(plot, series) {
    const values = plot.data[series];
    const there = (index) => values[index] !== null && values[index] !== undefined;
    return values.flatMap((_, index) => (there(index) && !there(index - 1) && !there(index + 1) ? [index] : []));
  }

  function rangeOf(name) {
    if (name === "latency") {
      return (_plot, low, high) =>
        low > 0 ? [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high * 1.001))] : [1, 1000];
    }
    const least = name === "errors" ? 4 : 1;
    return (_plot, _low, high) => [0, Math.max(least, (high || 0) * 1.1)];
  }

  function half() {
    return (columns.time[1] - columns.time[0]) / 2;
  }

  function powersOfTen(low, high) {
    const powers = [];
    for (let power = low; power <= high * 1.001; power *= 10) powers.push(Math.round(power * 1000) / 1000);
    return powers;
  }

  function optionsOf(name, box) {
    const axis = {
      stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    const label = (value) => {
      if (value === null) return "";
      if (name === "latency") return value >= 1000 ? `${value / 1000} s` : `${value} ms`;
      return name === "errors" && value % 1 ? "" : String(value);
    };
    return {
      width: box.clientWidth, height: box.clientHeight,
      legend: { show: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { sync: { key: "operations" }, drag: { x: false, y: false }, y: false },
      // Half a step more on both sides; otherwise, the first and the last bar would be clipped.
      scales: { x: { range: (_plot, low, high) => [low - half(), high + half()] }, y: { distr: name === "latency" ? 3 : 1, range: rangeOf(name) } },
      axes: [
        { ...axis, size: 26, gap: 4, values: (_plot, times) => times.map(clock) },
        {
          ...axis, size: 54, gap: 6, values: (_plot, values) => values.map(label),
          ...(name === "latency" ? { splits: (_plot, _axis, low, high) => powersOfTen(low, high) } : {}),
        },
      ],
      series: [{}, ...CHARTS[name].series.map((key) => seriesOf(name, key))],
      hooks: { setCursor: [(plot) => showLegend(name, plot.cursor.idx)] },
    };
  }

  function showLegend(name, index) {
    for (const key of CHARTS[name].series) {
      const value = columns[key][index ?? columns[key].findLastIndex((one) => one !== null)];
      const shown = document.querySelector(`[data-chart="${name}"] [data-value="${key}"]`);
      shown.textContent = value === null || value === undefined ? "–" : CHARTS[name].format(value);
    }
  }

  function describe(name, figure) {
    const { series, format } = CHARTS[name];
    const parts = series.map((key) => {
      const values = columns[key].filter((value) => value !== null);
      const { label } = figure.querySelector(`[data-value="${key}"]`).dataset;
      return values.length ? `${label} now ${format(values.at(-1))}, at most ${format(Math.max(...values))}` : `${label} none`;
    });
    const title = figure.querySelector("h2").textContent;
    const since = clock(columns.time[0]);
    figure.querySelector(".plot").setAttribute("aria-label", `${title} since ${since}: ${parts.join("; ")}`);
  }

  function fillTable(name, figure) {
    if (!figure.querySelector("details").open) return;
    const { series, format } = CHARTS[name];
    const rows = columns.time.map((time, index) => {
      const row = document.createElement("tr");
      row.insertCell().textContent = clock(time);
      for (const key of series) {
        const cell = row.insertCell();
        cell.className = "number";
        cell.textContent = columns[key][index] === null ? "–" : format(columns[key][index]);
      }
      return row;
    });
    figure.querySelector("tbody").replaceChildren(...rows.reverse());
  }

  function draw(figure) {
    const name = figure.dataset.chart;
    const box = figure.querySelector(".plot");
    drawn.get(name)?.destroy();
    drawn.set(name, new uPlot(optionsOf(name, box), dataOf(name), box));
  }

  function each(action) {
    for (const figure of document.querySelectorAll("[data-chart]")) action(figure, figure.dataset.chart);
  }

  function update(chart) {
    columns = chart;
    each((figure, name) => {
      if (drawn.has(name)) drawn.get(name).setData(dataOf(name));
      else draw(figure);
      showLegend(name, drawn.get(name).cursor.idx);
      describe(name, figure);
      fillTable(name, figure);
    });
  }

  function start() {
    const resized = new ResizeObserver((entries) => {
      for (const { target } of entries) {
        const plot = drawn.get(target.closest("[data-chart]").dataset.chart);
        plot?.setSize({ width: target.clientWidth, height: target.clientHeight });
      }
    });
    each((figure, name) => {
      resized.observe(figure.querySelector(".plot"));
      figure.querySelector("details").addEventListener("toggle", () => columns && fillTable(name, figure));
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => columns && each(draw));
  }

  return { start, update, duration, rounded };
})();
