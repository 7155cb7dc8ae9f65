/** Which rows the list shows and in what order; while the order is held, rows stay but the counts in heads are current. Pure. */

import { GRADES } from "./api.ts";
import type { Episode, Grade } from "./api.ts";

export type SectionKey = "secOpen" | "secEnded" | "secRecord";
export const SECTIONS: readonly SectionKey[] = ["secOpen", "secEnded", "secRecord"];

export interface Section {
  readonly key: SectionKey;
  readonly ids: readonly string[];
  /** Episodes that belong to it, shown or not, and how many of these are open; also while the rows are held. */
  readonly total: number;
  readonly open: number;
}

export interface Layout {
  readonly sections: readonly Section[];
  /** Rows that would have appeared or moved if the order were not held. */
  readonly held: number;
  /** Open alarms that the held order does not show under "open", newest first. */
  readonly news: readonly string[];
}

export const BLANK: Layout = { sections: [], held: 0, news: [] };

/** Rows of one page of an unfolded section. */
export const PAGE_ROWS = 100;

/** Rows that a section shows, and shows once it is unfolded; the open alarms are all shown. */
const FEW: Readonly<Record<SectionKey, number>> = { secOpen: Infinity, secEnded: 30, secRecord: 3 };
const ALL: Readonly<Record<SectionKey, number>> = { secOpen: Infinity, secEnded: PAGE_ROWS, secRecord: PAGE_ROWS };

/** The user's choices: unfolded sections, and the chosen row, which is shown wherever it is. */
export interface Wish {
  readonly unfolded: ReadonlySet<SectionKey>;
  readonly chosen: string | null;
  /** Rows of an older page that are shown in place of a section's newest. */
  readonly pages?: ReadonlyMap<SectionKey, readonly string[]>;
  /** How many episodes the centre has of each section, where the page has not loaded all. */
  readonly totals?: Readonly<Partial<Record<SectionKey, number>>>;
}

export const FOLDED: Wish = { unfolded: new Set(), chosen: null };

export function canUnfold(section: Section): boolean {
  return section.total > FEW[section.key];
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

/** Newer versions replace older ones: by hop, then version; true if `next` is newer. */
export function isNewer(next: Episode, held: Episode | undefined): boolean {
  if (held === undefined) return true;
  return next.hop !== held.hop ? next.hop > held.hop : next.version >= held.version;
}

/** The rows by section, newest opened first; with `frozen` in the earlier order, except for the section to `renew`. */
export function arrange(
  episodes: ReadonlyMap<string, Episode>, frozen: Layout | null, wish = FOLDED, renew: SectionKey | null = null,
): Layout {
  const fresh = arrangeAfresh(episodes, wish);
  if (frozen === null) return fresh;
  const shown = new Set(frozen.sections.flatMap((section) => (section.key === renew ? [] : section.ids)));
  const kept = frozen.sections.map((section, i) => {
    const { ids, total, open } = fresh.sections[i]!;
    const stays = section.key === renew ? ids.filter((id) => !shown.has(id)) : section.ids.filter((id) => episodes.has(id));
    return { key: section.key, ids: stays, total, open };
  });
  const was = new Map(kept.flatMap((section) => section.ids.map((id) => [id, section.key] as const)));
  let held = 0;
  for (const section of fresh.sections) {
    const isNews = (id: string): boolean => (section.key === "secOpen" ? was.get(id) !== "secOpen" : was.get(id) === "secOpen");
    held += section.ids.filter(isNews).length; // episodes that are only recorded do not count as new
  }
  const news = fresh.sections[0]!.ids.filter((id) => was.get(id) !== "secOpen");
  return { sections: kept, held, news };
}

function arrangeAfresh(episodes: ReadonlyMap<string, Episode>, wish: Wish): Layout {
  const buckets = new Map<SectionKey, Episode[]>(SECTIONS.map((key) => [key, []]));
  for (const episode of episodes.values()) buckets.get(sectionOf(episode))!.push(episode);
  const sections = SECTIONS.map((key) => {
    const rows = buckets.get(key)!.sort((a, b) => b.order - a.order);
    const shownMax = (wish.unfolded.has(key) ? ALL : FEW)[key];
    const page = wish.pages?.get(key);
    const onPage = page === undefined ? null : new Set(page);
    const shown = rows.filter((x, i) => (onPage === null ? i < shownMax : onPage.has(x.id)) || x.id === wish.chosen);
    const total = Math.max(rows.length, wish.totals?.[key] ?? 0);
    return { key, ids: shown.map((x) => x.id), total, open: rows.filter((x) => x.open).length };
  });
  return { sections, held: 0, news: [] };
}

/** The id `by` rows further in the list, for J and K. */
export function neighbour(layout: Layout, id: string | null, by: number): string | null {
  const ids = layout.sections.flatMap((section) => section.ids);
  if (ids.length === 0) return null;
  const at = id === null ? -1 : ids.indexOf(id);
  if (at < 0) return ids[0]!;
  return ids[Math.max(0, Math.min(ids.length - 1, at + by))]!;
}
