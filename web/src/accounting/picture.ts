/** Files of a plot: the picture as it is on the page, with its title and names, and its numbers. */

const MARGIN = 16;
const LINE = 20;
const NAME_PX = 200;

type Legend = { name: string; colour: string };

export function saveFile(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Return the picture of a chart as PNG, in the colours of the page. */
export async function pictureOf(chart: HTMLElement, title: string): Promise<Blob> {
  const drawn = chart.querySelector("canvas");
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  if (!drawn || !pen) {
    throw new Error("This browser gives no picture of the plot: use its CSV, or print the page.");
  }
  const scale = drawn.width / Math.max(1, drawn.clientWidth);
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const font = getComputedStyle(document.body).fontFamily;
  const legend = legendOf(chart);
  const columns = Math.max(1, Math.floor(drawn.clientWidth / NAME_PX));
  const height = drawn.clientHeight + 3 * MARGIN + LINE + Math.ceil(legend.length / columns) * LINE;
  canvas.width = drawn.width + 2 * MARGIN * scale;
  canvas.height = height * scale;
  pen.fillStyle = colour("--bg");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(drawn, MARGIN * scale, (MARGIN + LINE) * scale);
  pen.scale(scale, scale);
  pen.fillStyle = colour("--text");
  pen.font = `600 14px ${font}`;
  pen.fillText(title, MARGIN, MARGIN + 10);
  pen.font = `12px ${font}`;
  legend.forEach((each, index) => {
    const x = MARGIN + (index % columns) * NAME_PX;
    const y = drawn.clientHeight + 2 * MARGIN + LINE + Math.floor(index / columns) * LINE;
    pen.fillStyle = each.colour;
    pen.fillRect(x, y, 10, 10);
    pen.fillStyle = colour("--text");
    pen.fillText(each.name, x + 16, y + 10, NAME_PX - 24);
  });
  return new Promise((resolve, reject) => {
    const failed = new Error("This browser makes no PNG of the plot: use its CSV, or print the page.");
    canvas.toBlob((picture) => (picture ? resolve(picture) : reject(failed)), "image/png");
  });
}

/** Read the names and colours of the series where the chart shows them; the first row is the time. */
function legendOf(chart: HTMLElement): Legend[] {
  return [...chart.querySelectorAll(".u-legend .u-series")].slice(1).map((row) => {
    const marker = row.querySelector<HTMLElement>(".u-marker");
    return {
      name: row.querySelector(".u-label")?.textContent ?? "",
      colour: (marker && getComputedStyle(marker).borderTopColor) || "#888",
    };
  });
}
