// Lines over time. Loaded when something is drawn, and its style sheet with it.
import uPlot from "../vendor/uplot.js";

const HEIGHT = 180;

export function draw(place, series) {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("../vendor/uplot.css", import.meta.url);
  document.head.append(style);
  const box = document.createElement("div");
  place.append(box);
  // Canvas knows nothing of custom properties or of light and dark; an element that is styled with them does.
  const probe = document.createElement("i");
  place.append(probe);
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const line = (label, name) => ({ label, stroke: () => colour(name), width: 2, points: { show: false } });
  const axis = { stroke: () => colour("--ink-2"), grid: { stroke: () => colour("--edge"), width: 1 }, ticks: { show: false } };
  const plot = new uPlot(
    {
      width: place.clientWidth || 600,
      height: HEIGHT,
      cursor: { show: false },
      legend: { live: false },
      series: [{}, line("Active debates", "--c-line-1"), line("Requests per second", "--c-line-2")],
      axes: [{ ...axis, incrs: [1, 5, 15, 30, 60, 300, 900, 3600] }, axis],
      scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
    },
    [series.at, series.active, series.rate],
    box,
  );
  const sized = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT }));
  sized.observe(place);
  return {
    show: (now) => plot.setData([now.at, now.active, now.rate]),
    destroy: () => {
      sized.disconnect();
      plot.destroy();
      style.remove();
    },
  };
}
