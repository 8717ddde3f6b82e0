// From snapshots of the metrics to what a person wants to know: rates, shares, quantiles.

/** Seconds between two snapshots, and how many are kept: five minutes. */
export const INTERVAL = 2;
const KEPT = 151;
/** Snapshots over which a rate is told, so that it does not flicker, and a quantile, so that it means something. */
const FOR_RATES = 5;
const FOR_QUANTILES = 30;

const NO_HISTOGRAM = { bounds: [], counts: [], count: 0, sum: 0 };

export class History {
  #snapshots = [];

  /** Takes what the listener said at `time`, in seconds. A restart begins anew. */
  add(time, families) {
    const started = valueOf(families, "process_start_time_seconds");
    const before = this.#snapshots.at(-1);
    if (before && before.started !== started) this.#snapshots = [];
    this.#snapshots.push({ time, families, started });
    if (this.#snapshots.length > KEPT) this.#snapshots.shift();
  }

  get #newest() {
    return this.#snapshots.at(-1);
  }

  #before(steps) {
    return this.#snapshots[Math.max(0, this.#snapshots.length - 1 - steps)];
  }

  /** The sum of a gauge's or counter's samples now; null where there is no such family. */
  now(name, matches = always) {
    const { families } = this.#newest;
    return families[name] ? sum(families, name, matches) : null;
  }

  samples(name) {
    return this.#newest.families[name] ?? [];
  }

  /** How much a counter grows in a second, of late. */
  rate(name, matches = always) {
    return rateBetween(this.#before(FOR_RATES), this.#newest, name, matches);
  }

  /** How much a counter has grown within what is kept. */
  growth(name, matches = always) {
    return sum(this.#newest.families, name, matches) - sum(this.#snapshots[0].families, name, matches);
  }

  /** A counter's rates, oldest first. */
  rates(name, matches = always) {
    return this.#pairs().map(([before, after]) => rateBetween(before, after, name, matches));
  }

  /** The bound within which a share of a histogram's observations of the last minute lies; null without any. */
  quantile(name, share) {
    return quantileBetween(this.#before(FOR_QUANTILES), this.#newest, name, share);
  }

  /** The same for each step, oldest first. */
  quantiles(name, share) {
    return this.#pairs().map(([before, after]) => quantileBetween(before, after, name, share));
  }

  #pairs() {
    return this.#snapshots.slice(1).map((after, index) => [this.#snapshots[index], after]);
  }
}

const always = () => true;

function sum(families, name, matches) {
  const samples = (families[name] ?? []).filter((sample) => matches(sample.labels));
  return samples.reduce((all, sample) => all + sample.value, 0);
}

function valueOf(families, name) {
  return families[name]?.[0]?.value;
}

function rateBetween(before, after, name, matches) {
  const seconds = after.time - before.time;
  if (seconds <= 0) return 0;
  return (sum(after.families, name, matches) - sum(before.families, name, matches)) / seconds;
}

/** Linear within the bucket, as Prometheus estimates it; what lies beyond the last bound is told as that bound. */
function quantileBetween(before, after, name, share) {
  const then = before.families[name] ?? NO_HISTOGRAM;
  const now = after.families[name] ?? NO_HISTOGRAM;
  const wanted = (now.count - then.count) * share;
  if (wanted <= 0) return null;
  let [bound, below] = [0, 0];
  for (const [index, upper] of now.bounds.entries()) {
    const upTo = now.counts[index] - (then.counts[index] ?? 0);
    if (upTo >= wanted) return bound + ((upper - bound) * (wanted - below)) / (upTo - below);
    [bound, below] = [upper, upTo];
  }
  return bound;
}

const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (value) => whole.format(value);

export function perSecond(value) {
  if (value > 0 && value < 0.01) return "< 0.01";
  return numbers.format(value < 10 ? Number(value.toFixed(2)) : value);
}

export function percent(part, all) {
  if (all <= 0) return "–";
  const share = (100 * part) / all;
  // 99.97 % good is not all good.
  if (share > 99 && share < 100) return `${Math.floor(share * 100) / 100} %`;
  return `${numbers.format(Number(share.toFixed(1)))} %`;
}

export function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds < 0.001) return `${numbers.format(seconds * 1e6)} µs`;
  if (seconds < 1) return `${numbers.format(seconds * 1e3)} ms`;
  return `${numbers.format(seconds)} s`;
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB"];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)));
  return `${numbers.format(value / 1024 ** unit)} ${units[unit]}`;
}

export function age(seconds) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}
