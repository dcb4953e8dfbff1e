"use strict";
// Hover or touch a chart: the exact values at the nearest step. The page says everything without this script, too.
for (const svg of document.querySelectorAll("svg.chart")) {
  const lines = [...svg.querySelectorAll("[data-points]")].map((path) => ({
    name: path.dataset.name,
    color: path.style.stroke,
    points: JSON.parse(path.dataset.points),
  }));
  if (!lines.length) continue;
  const [left, right, low, high] = ["left", "right", "low", "high"].map((key) => Number(svg.dataset[key]));
  const title = svg.querySelector("title");
  svg.setAttribute("aria-label", title.textContent);
  title.remove(); // its native tooltip would cover the read-out
  const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
  cursor.setAttribute("y1", 10);
  cursor.setAttribute("y2", svg.viewBox.baseVal.height - 44);
  cursor.style.stroke = "var(--chart-ink)";
  const box = document.createElement("div");
  box.className = "readout";
  const nearest = (points, x) => points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
  const hide = () => { cursor.remove(); box.remove(); };
  svg.addEventListener("pointermove", (event) => {
    const frame = svg.getBoundingClientRect();
    const scale = frame.width / svg.viewBox.baseVal.width;
    const pixel = (event.clientX - frame.left) / scale;
    const x = nearest(lines[0].points, low + ((pixel - left) / (right - left)) * (high - low))[0];
    const place = left + ((x - low) / (high - low)) * (right - left);
    cursor.setAttribute("x1", place);
    cursor.setAttribute("x2", place);
    svg.append(cursor);
    box.replaceChildren(`${svg.dataset.xLabel} ${x.toLocaleString("en")}`);
    for (const line of lines) {
      const [at, y] = nearest(line.points, x);
      const row = document.createElement("div");
      const dot = document.createElement("b");
      dot.style.background = line.color;
      const where = at === x ? "" : ` (${svg.dataset.xLabel} ${at.toLocaleString("en")})`;
      row.append(dot, `${line.name}: ${y === null ? "not a number" : y.toLocaleString("en", { maximumSignificantDigits: 5 })}${where}`);
      box.append(row);
    }
    svg.parentElement.append(box);
    const beside = place > (left + right) / 2 ? place * scale - 14 - box.offsetWidth : place * scale + 14;
    box.style.left = `${Math.max(0, Math.min(beside, frame.width - box.offsetWidth))}px`; // never off the page
  });
  svg.addEventListener("pointerleave", hide);
}
