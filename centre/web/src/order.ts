/** Which rows the list shows and in what order; it never moves while somebody points at it. Pure. */

import { GRADES } from "./api.ts";
import type { Episode, Grade } from "./api.ts";

export type SectionKey = "secOpen" | "secEnded" | "secRecord";
export const SECTIONS: readonly SectionKey[] = ["secOpen", "secEnded", "secRecord"];

export interface Layout {
  readonly sections: readonly { readonly key: SectionKey; readonly ids: readonly string[]; readonly more: number }[];
  /** Rows that would have come or moved, had nobody pointed at the list. */
  readonly held: number;
}

const ROWS_MAX = 100; // per section; the open ones are all shown

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

/** The rows by section, newest opened on top; with `frozen`, in the order that it had. */
export function arrange(episodes: ReadonlyMap<string, Episode>, frozen: Layout | null): Layout {
  const fresh = arrangeAfresh(episodes);
  if (frozen === null) return fresh;
  const kept = frozen.sections.map((section) => ({ ...section, ids: section.ids.filter((id) => episodes.has(id)) }));
  const was = new Map(kept.flatMap((section) => section.ids.map((id) => [id, section.key] as const)));
  let held = 0;
  for (const section of fresh.sections) for (const id of section.ids) if (was.get(id) !== section.key) held++;
  return { sections: kept, held };
}

function arrangeAfresh(episodes: ReadonlyMap<string, Episode>): Layout {
  const buckets = new Map<SectionKey, Episode[]>(SECTIONS.map((key) => [key, []]));
  for (const episode of episodes.values()) buckets.get(sectionOf(episode))!.push(episode);
  const sections = SECTIONS.map((key) => {
    const rows = buckets.get(key)!.sort((a, b) => b.order - a.order);
    const shown = key === "secOpen" ? rows : rows.slice(0, ROWS_MAX);
    return { key, ids: shown.map((x) => x.id), more: rows.length - shown.length };
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
