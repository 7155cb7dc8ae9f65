/** Which rows the list shows and in what order; while the order is held, rows stay but the counts in heads are current. Pure. */

import { GRADES } from "./api.ts";
import type { Episode, Grade } from "./api.ts";
import type { Handling } from "./desk/model.ts";

export type SectionKey = "secNew" | "secUnseen" | "secWork" | "secShelved" | "secRecord" | "secClosed";
export const SECTIONS: readonly SectionKey[] = ["secNew", "secUnseen", "secWork", "secShelved", "secRecord", "secClosed"];

/** One alarm or recorded episode as the list orders it; the alarms of one case share `lead`, the id of its first. */
export interface Ranked {
  readonly id: string;
  readonly section: SectionKey;
  /** Grows with the time of its opening. */
  readonly order: number;
  readonly open: boolean;
  readonly lead: string;
}

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
  /** Open alarms to acknowledge that the held order does not show as such, newest first. */
  readonly news: readonly string[];
}

export const BLANK: Layout = { sections: [], held: 0, news: [] };

/** Rows of one page of an unfolded section. */
export const PAGE_ROWS = 100;

/** Rows that a section shows, and shows once it is unfolded; what somebody must act on is shown in full. */
const FEW: Readonly<Record<SectionKey, number>> = {
  secNew: Infinity, secUnseen: Infinity, secWork: Infinity, secShelved: 3, secRecord: 3, secClosed: 10,
};
const ALL: Readonly<Record<SectionKey, number>> = { ...FEW, secShelved: Infinity, secRecord: PAGE_ROWS, secClosed: PAGE_ROWS };

/** The user's choices: unfolded sections and cases, and the chosen row, which is shown wherever it is. */
export interface Wish {
  readonly unfolded: ReadonlySet<SectionKey>;
  readonly chosen: string | null;
  /** Cases, by their first alarm, whose other alarms are shown too. */
  readonly cases?: ReadonlySet<string>;
  /** Rows of an older page that are shown in place of a section's newest. */
  readonly pages?: ReadonlyMap<SectionKey, readonly string[]>;
  /** How many episodes the centre has of each section, where the page has not loaded all. */
  readonly totals?: Readonly<Partial<Record<SectionKey, number>>>;
  /** The chosen row stays in this section for a while, whatever is done with it: it must not move under its reader. */
  readonly stays?: { readonly id: string; readonly section: SectionKey } | null;
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

/** Where an alarm stands by what was done with it and whether it goes on; null: an episode that is no alarm. */
export function sectionOf(handling: Pick<Handling, "state" | "shelf"> | null, open: boolean): SectionKey {
  if (handling === null) return "secRecord";
  if (handling.state === "closed") return "secClosed";
  if (handling.state !== "new") return "secWork";
  if (handling.shelf !== null) return "secShelved";
  return open ? "secNew" : "secUnseen";
}

/** Newer versions replace older ones: by hop, then version; true if `next` is newer. */
export function isNewer(next: Episode, held: Episode | undefined): boolean {
  if (held === undefined) return true;
  return next.hop !== held.hop ? next.hop > held.hop : next.version >= held.version;
}

/** The rows by section, newest opened first; with `frozen` in the earlier order, except for the section to `renew`. */
export function arrange(
  ranked: ReadonlyMap<string, Ranked>, frozen: Layout | null, wish = FOLDED, renew: SectionKey | null = null,
): Layout {
  const fresh = arrangeAfresh(ranked, wish);
  if (frozen === null) return fresh;
  const shown = new Set(frozen.sections.flatMap((section) => (section.key === renew ? [] : section.ids)));
  const kept = frozen.sections.map((section, i) => {
    const { ids, total, open } = fresh.sections[i]!;
    const stays = section.key === renew ? ids.filter((id) => !shown.has(id)) : section.ids.filter((id) => ranked.has(id));
    return { key: section.key, ids: stays, total, open };
  });
  const was = new Map(kept.flatMap((section) => section.ids.map((id) => [id, section.key] as const)));
  let held = 0;
  for (const section of fresh.sections) {
    const isNews = (id: string): boolean => (section.key === "secNew" ? was.get(id) !== "secNew" : was.get(id) === "secNew");
    held += section.ids.filter(isNews).length; // episodes that are only recorded do not count as new
  }
  const news = fresh.sections[0]!.ids.filter((id) => was.get(id) !== "secNew");
  return { sections: kept, held, news };
}

/** A case as one row: it stands where its most urgent alarm stands, at the place of its first. */
interface Folded {
  readonly lead: Ranked;
  section: SectionKey;
  readonly members: Ranked[];
}

function fold(ranked: ReadonlyMap<string, Ranked>): Map<string, Folded> {
  const cases = new Map<string, Folded>();
  for (const x of [...ranked.values()].sort((a, b) => a.order - b.order)) {
    const held = cases.get(x.lead);
    if (held === undefined) {
      cases.set(x.lead, { lead: x, section: x.section, members: [x] });
      continue;
    }
    held.members.push(x);
    if (SECTIONS.indexOf(x.section) < SECTIONS.indexOf(held.section)) held.section = x.section;
  }
  return cases;
}

function arrangeAfresh(ranked: ReadonlyMap<string, Ranked>, wish: Wish): Layout {
  const counts = new Map<SectionKey, { total: number; open: number }>(SECTIONS.map((key) => [key, { total: 0, open: 0 }]));
  for (const x of ranked.values()) {
    const count = counts.get(x.section)!;
    count.total++;
    if (x.open) count.open++;
  }
  const buckets = new Map<SectionKey, Folded[]>(SECTIONS.map((key) => [key, []]));
  for (const one of fold(ranked).values()) {
    const stays = wish.stays != null && one.members.some((x) => x.id === wish.stays!.id);
    buckets.get(stays ? wish.stays!.section : one.section)!.push(one);
  }
  const sections = SECTIONS.map((key) => {
    const rows = buckets.get(key)!.sort((a, b) => b.lead.order - a.lead.order);
    const shownMax = (wish.unfolded.has(key) ? ALL : FEW)[key];
    const page = wish.pages?.get(key);
    const onPage = page === undefined ? null : new Set(page);
    const isChosen = (x: Folded): boolean => x.members.some((member) => member.id === wish.chosen);
    const shown = rows.filter((x, i) => (onPage === null ? i < shownMax : onPage.has(x.lead.id)) || isChosen(x));
    const ids = shown.flatMap((x) => (isUnfolded(x, wish) ? x.members : [x.lead]).map((member) => member.id));
    const { total, open } = counts.get(key)!;
    return { key, ids, total: Math.max(total, wish.totals?.[key] ?? 0), open };
  });
  return { sections, held: 0, news: [] };
}

function isUnfolded(x: Folded, wish: Wish): boolean {
  if (x.members.length === 1) return false;
  return wish.cases?.has(x.lead.id) === true || (wish.chosen !== x.lead.id && x.members.some((member) => member.id === wish.chosen));
}

/** The id `by` rows further in the list, for J and K. */
export function neighbour(layout: Layout, id: string | null, by: number): string | null {
  const ids = layout.sections.flatMap((section) => section.ids);
  if (ids.length === 0) return null;
  const at = id === null ? -1 : ids.indexOf(id);
  if (at < 0) return ids[0]!;
  return ids[Math.max(0, Math.min(ids.length - 1, at + by))]!;
}
