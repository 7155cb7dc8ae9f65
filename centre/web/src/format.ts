/** Numbers and times as people read them. Times of day are UTC+8, whatever the browser's zone. */

const pad = (x: number, n = 2): string => String(Math.floor(x)).padStart(n, "0");
const ZONE_MS = 8 * 3_600_000;

/** Nanoseconds since the epoch, as the API writes them (a decimal string), in milliseconds. */
export function ms(ns: string | number | null | undefined): number {
  return ns === null || ns === undefined ? NaN : Number(ns) / 1e6;
}

/** Time of day, with `digits` of the second's fraction (cut, not rounded). */
export function clock(timeMs: number, digits = 0): string {
  if (!Number.isFinite(timeMs)) return "—";
  const day = (((timeMs + ZONE_MS) % 86_400_000) + 86_400_000) % 86_400_000;
  const head = `${pad(day / 3_600_000)}:${pad((day / 60_000) % 60)}:${pad((day / 1_000) % 60)}`;
  return digits === 0 ? head : `${head}.${pad((day % 1_000) / 10 ** (3 - digits), digits)}`;
}

export function date(timeMs: number): string {
  return Number.isFinite(timeMs) ? new Date(timeMs + ZONE_MS).toISOString().slice(0, 10) : "—";
}

/** A time of day, and before it the date where it is not of today (UTC+8): yesterday's 14:09 must not look like today's. */
export function moment(timeMs: number, nowMs: number, digits = 0): string {
  const [day, today] = [date(timeMs), date(nowMs)];
  if (day === today || !Number.isFinite(timeMs) || !Number.isFinite(nowMs)) return clock(timeMs, digits);
  return `${day.slice(0, 5) === today.slice(0, 5) ? day.slice(5) : day} ${clock(timeMs, digits)}`;
}

/** As `moment`, for a narrow column: the time of day, of another day the date. */
export function briefMoment(startMs: number, nowMs: number): string {
  const began = moment(startMs, nowMs);
  return began.includes(" ") ? began.slice(0, began.indexOf(" ")) : began;
}

/** When a row's alarm began: its cell of the list; `about`: what stands before a time that is estimated. */
export function beganHtml(startMs: number, nowMs: number, about = ""): string {
  return `<i title="${about}${moment(startMs, nowMs)}">${about}${briefMoment(startMs, nowMs)}</i>`;
}

/** 0 = Sunday. */
export function weekday(timeMs: number): number {
  return new Date(timeMs + ZONE_MS).getUTCDay();
}

/** Kilometre number of a station: K26+032; before the axis' zero K-00+406, counted away from it. */
export function station(sM: number | null | undefined): string {
  if (sM === null || sM === undefined || !Number.isFinite(sM)) return "—";
  const m = Math.abs(Math.round(sM));
  return `K${sM <= -0.5 ? "-" : ""}${pad(Math.floor(m / 1_000))}+${pad(m % 1_000, 3)}`;
}

/** A duration with its parts: 23.1 s, 3:52, 1:02:07. */
export function span(seconds: number): string {
  if (!Number.isFinite(seconds)) return "—";
  const x = Math.max(0, seconds);
  return x < 59.95 ? `${x.toFixed(1)} s` : age(x);
}

export function age(seconds: number): string {
  if (!Number.isFinite(seconds)) return "—";
  const x = Math.max(0, seconds);
  return x < 3_600 ? `${Math.floor(x / 60)}:${pad(x % 60)}` : `${Math.floor(x / 3_600)}:${pad((x / 60) % 60)}:${pad(x % 60)}`;
}

/** An age for a narrow column, as HTML: 12:07, and from an hour on 1.5 h, 24 h. */
export function briefAge(seconds: number): string {
  const hours = seconds / 3_600;
  if (hours < 1 || !Number.isFinite(hours)) return age(seconds);
  return `${hours < 10 ? (Math.floor(hours * 10) / 10).toFixed(1) : Math.floor(hours)}<small>h</small>`;
}

/** A probability that stays readable near 1. */
export function probability(p: number | null | undefined): string {
  if (p === null || p === undefined) return "—";
  if (p > 0.9999) return ">0.9999";
  return p >= 0.999 ? p.toFixed(4) : p >= 0.99 ? p.toFixed(3) : p.toFixed(2);
}

export function signed(x: number, digits = 1): string {
  const size = Math.abs(x).toFixed(digits);
  return `${x < 0 && Number(size) !== 0 ? "−" : "+"}${size}`; // never −0.0
}

export function kmh(mps: number): string {
  return (mps * 3.6).toFixed(0);
}

/** Plates lose their province in drawings: 辽L·A7316挂 becomes A7316挂. */
export function shortPlate(plate: string): string {
  return plate.replace(/^[\u4e00-\u9fff][A-Z]·?/, "");
}

const BOUND_P = 0.995; // a name is bound at 0.999, and snapshots carry two decimals

/** A name as the map writes it: one that is only presumed stands in brackets with its probability, `(A0001 0.93)`. */
export function byName(name: string, p: number): string {
  return name === "" || p >= BOUND_P ? name : `(${name} ${p.toFixed(2)})`;
}

export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** `1.25 m` with its unit in small type. */
export function withUnit(text: string): string {
  return escape(text).replace(/^(\S+) (.+)$/, "$1<small>$2</small>");
}
