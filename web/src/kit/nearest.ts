/** What somebody may have meant who has misspelt a word. */

/** Return the nearest of the words that are known, if it is near enough; case does not matter. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const wanted = word.toLowerCase();
  const most = Math.max(1, Math.floor(wanted.length / 3));
  let best: string | undefined;
  let least = most + 1;
  for (const each of known) {
    const candidate = each.toLowerCase();
    const isStart = wanted.length >= BEGINNING && candidate.startsWith(wanted);
    const steps = isStart ? Math.min(1, distance(wanted, candidate)) : distance(wanted, candidate);
    if (steps < least) {
      best = each;
      least = steps;
    }
  }
  return best;
}

/** So many letters are enough to tell a word by its beginning. */
const BEGINNING = 3;

/** Return how many letters are wrong, missing, too many or swapped with their neighbour. */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(change, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j] ?? 0, (before[j - 2] ?? 0) + 1);
      }
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
