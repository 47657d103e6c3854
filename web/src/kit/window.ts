/**
 * Which rows of a long list are on the screen, however long it is.
 *
 * Browsers draw no element higher than some 33 million pixels. A list that would be higher is scaled: the position of
 * the scroll bar stands for a place in the list, and the rows around that place are drawn where the reader looks.
 */

export const HEIGHT_MAX = 30_000_000;
const SPARE = 8;

export type Window = {
  /** The first row that is drawn, and the one behind the last. */
  start: number;
  end: number;
  /** Where the first drawn row is, in pixels from the top of the list. */
  top: number;
  /** How high the list is. */
  height: number;
};

export type Place = { count: number; rowHeight: number; scrollTop: number; viewport: number };

export function windowOf({ count, rowHeight, scrollTop, viewport }: Place): Window {
  const full = count * rowHeight;
  const height = Math.min(full, HEIGHT_MAX);
  const shown = Math.ceil(viewport / rowHeight);
  const first = firstRow({ count, rowHeight, scrollTop, viewport });
  const start = Math.max(0, Math.floor(first) - SPARE);
  const end = Math.min(count, Math.floor(first) + shown + SPARE + 1);
  const top = full <= HEIGHT_MAX ? start * rowHeight : scrollTop - (first - start) * rowHeight;
  return { start, end, top, height };
}

/** Return the row at the top of the screen, with its fraction that is scrolled away. */
export function firstRow({ count, rowHeight, scrollTop, viewport }: Place): number {
  const full = count * rowHeight;
  if (full <= HEIGHT_MAX) {
    return Math.max(0, scrollTop / rowHeight);
  }
  const fraction = Math.min(1, Math.max(0, scrollTop / (HEIGHT_MAX - viewport)));
  return (fraction * (full - viewport)) / rowHeight;
}

/** Return where to scroll so that a row is on the screen; none if it is already. */
export function scrollTo(row: number, place: Place): number | undefined {
  const { count, rowHeight, viewport } = place;
  const first = firstRow(place);
  const shown = Math.max(1, Math.floor(viewport / rowHeight) - 1);
  if (row >= first && row < first + shown) {
    return undefined;
  }
  const wanted = row < first ? row : row - shown + 1;
  const full = count * rowHeight;
  if (full <= HEIGHT_MAX) {
    return wanted * rowHeight;
  }
  return ((wanted * rowHeight) / (full - viewport)) * (HEIGHT_MAX - viewport);
}

/** Return the numbers of the pages that hold the rows of a window; the first page is 1. */
export function pagesOf(window: { start: number; end: number }, perPage: number): number[] {
  const pages: number[] = [];
  for (
    let page = Math.floor(window.start / perPage);
    page * perPage < Math.max(window.end, window.start + 1);
    page++
  ) {
    pages.push(page + 1);
  }
  return pages;
}

/**
 * Return the page that holds rows of a list in its opposite order, and how many rows of it come before them there.
 *
 * What is behind the middle is nearer from the other end: a database walks over all rows before a page.
 */
export function fromTheEnd(
  rows: { start: number; end: number },
  count: number,
): { page: number; perPage: number; skip: number } {
  const first = Math.max(0, count - rows.end);
  const size = count - rows.start - first;
  let perPage = size;
  while ((first % perPage) + size > perPage) {
    perPage += 1;
  }
  return { page: Math.floor(first / perPage) + 1, perPage, skip: first % perPage };
}
