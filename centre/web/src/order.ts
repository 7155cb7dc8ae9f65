/** Which rows the list shows and in what order; it never moves while somebody points at it. Pure. */

import { GRADES } from "./api.ts";
import type { Episode, Grade } from "./api.ts";

export type SectionKey = "secOpen" | "secEnded" | "secRecord";
export const SECTIONS: readonly SectionKey[] = ["secOpen", "secEnded", "secRecord"];

export interface Section {
  readonly key: SectionKey;
  readonly ids: readonly string[];
  /** Rows of it that are not shown, and how many of all are still open. */
  readonly more: number;
  readonly open: number;
}

export interface Layout {
  readonly sections: readonly Section[];
  /** Rows that would have come or moved, had nobody pointed at the list. */
  readonly held: number;
}

/** Rows that a section shows, and shows once it is unfolded; the open alarms are all shown. */
const FEW: Readonly<Record<SectionKey, number>> = { secOpen: Infinity, secEnded: 30, secRecord: 3 };
const ALL: Readonly<Record<SectionKey, number>> = { secOpen: Infinity, secEnded: 200, secRecord: 200 };

/** What the reader wants to see: unfolded sections, and the chosen row, which is shown wherever it is. */
export interface Wish {
  readonly unfolded: ReadonlySet<SectionKey>;
  readonly chosen: string | null;
}

export const FOLDED: Wish = { unfolded: new Set(), chosen: null };

export function canUnfold(section: Section): boolean {
  return section.ids.length + section.more > FEW[section.key];
}

export function rank(grade: Grade): number {
  return GRADES.indexOf(grade);
}

/** Whether it is an alarm: it reached warning. Notices and undecidable ones are kept for the record. */
export function isAlarm(episode: Episode): boolean {
  return rank(episode.grade_max ?? episode.grade) >= rank("warning");
}

export function sectionOf(episode: Episode): SectionKey {
  if (!isAlarm(episode)) return "secRecord";
  return episode.open ? "secOpen" : "secEnded";
}

/** Newer versions replace older ones: by hop, then version; true when `next` is news. */
export function isNewer(next: Episode, held: Episode | undefined): boolean {
  if (held === undefined) return true;
  return next.hop !== held.hop ? next.hop > held.hop : next.version >= held.version;
}

/** The rows by section, newest opened on top; with `frozen`, in the order that it had, but for the section to `renew`. */
export function arrange(episodes: ReadonlyMap<string, Episode>, frozen: Layout | null, wish = FOLDED, renew: SectionKey | null = null): Layout {
  const fresh = arrangeAfresh(episodes, wish);
  if (frozen === null) return fresh;
  const shown = new Set(frozen.sections.flatMap((section) => (section.key === renew ? [] : section.ids)));
  const kept = frozen.sections.map((section, i) => {
    const { ids, more, open } = fresh.sections[i]!;
    if (section.key === renew) return { key: section.key, ids: ids.filter((id) => !shown.has(id)), more, open };
    return { key: section.key, ids: section.ids.filter((id) => episodes.has(id)), more: section.more, open: section.open };
  });
  const was = new Map(kept.flatMap((section) => section.ids.map((id) => [id, section.key] as const)));
  let held = 0;
  for (const section of fresh.sections) {
    const isNews = (id: string): boolean => (section.key === "secOpen" ? was.get(id) !== "secOpen" : was.get(id) === "secOpen");
    held += section.ids.filter(isNews).length; // what is only kept for the record is no news
  }
  return { sections: kept, held };
}

function arrangeAfresh(episodes: ReadonlyMap<string, Episode>, wish: Wish): Layout {
  const buckets = new Map<SectionKey, Episode[]>(SECTIONS.map((key) => [key, []]));
  for (const episode of episodes.values()) buckets.get(sectionOf(episode))!.push(episode);
  const sections = SECTIONS.map((key) => {
    const rows = buckets.get(key)!.sort((a, b) => b.order - a.order);
    const shownMax = (wish.unfolded.has(key) ? ALL : FEW)[key];
    const shown = rows.filter((x, i) => i < shownMax || x.id === wish.chosen);
    return { key, ids: shown.map((x) => x.id), more: rows.length - shown.length, open: rows.filter((x) => x.open).length };
  });
  return { sections, held: 0 };
}

/** The id `by` rows further in the list, for J and K. */
export function neighbour(layout: Layout, id: string | null, by: number): string | null {
  const ids = layout.sections.flatMap((section) => section.ids);
  if (ids.length === 0) return null;
  const at = id === null ? -1 : ids.indexOf(id);
  if (at < 0) return ids[0]!;
  return ids[Math.max(0, Math.min(ids.length - 1, at + by))]!;
}
