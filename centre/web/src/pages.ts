/** Fetches episodes that the list does not have: older ones of a section, a page at a time, by the centre's cursor. */

import { get } from "./api.ts";
import type { Episode, Page } from "./api.ts";
import { PAGE_ROWS } from "./order.ts";
import type { SectionKey } from "./order.ts";

/** Sections that may be longer than what the page loads; the others are loaded in full. */
const KINDS: Readonly<Partial<Record<SectionKey, string>>> = {
  secRecord: "kind=record&state=all", secClosed: "kind=alarm&state=closed",
};

export function hasPages(key: SectionKey): boolean {
  return KINDS[key] !== undefined;
}

interface OlderPage {
  readonly ids: readonly string[];
  readonly last: boolean;
}

export class Pages {
  private readonly turned = new Map<SectionKey, OlderPage[]>();
  private asking = false;
  private readonly fetchPage: (path: string) => Promise<Pick<Page, "items" | "next">>;

  constructor(fetchPage: (path: string) => Promise<Pick<Page, "items" | "next">> = (path) => get<Page>(path)) {
    this.fetchPage = fetchPage;
  }

  /** The rows of each section's page; a section that shows its newest page has no entry. */
  current(): Map<SectionKey, readonly string[]> {
    return new Map([...this.turned].map(([key, turned]) => [key, turned.at(-1)!.ids] as const));
  }

  /** How many rows the pages before the section's page have. */
  skipped(key: SectionKey): number {
    return (this.turned.get(key)?.length ?? 0) * PAGE_ROWS;
  }

  /** Whether the section's page is the oldest; null while it is the newest. */
  atEnd(key: SectionKey): boolean | null {
    return this.turned.get(key)?.at(-1)?.last ?? null;
  }

  /** Turn to the page after episode number `order`; false if there is none or the centre does not answer. */
  async older(key: SectionKey, order: number, onItems: (items: readonly Episode[]) => void): Promise<boolean> {
    if (this.asking) return false;
    this.asking = true;
    try {
      const { items, next } = await this.fetchPage(`/api/violations?${KINDS[key]}&limit=${PAGE_ROWS}&before=${order}`);
      if (items.length === 0) return false;
      this.turned.set(key, [...(this.turned.get(key) ?? []), { ids: items.map((x) => x.id), last: next === null }]);
      onItems(items);
      return true;
    } catch (error) {
      console.warn(error); // the button stays: it can be pressed again
      return false;
    } finally {
      this.asking = false;
    }
  }

  newer(key: SectionKey): void {
    const rest = (this.turned.get(key) ?? []).slice(0, -1);
    if (rest.length === 0) this.turned.delete(key);
    else this.turned.set(key, rest);
  }

  /** Back to the newest page. */
  close(key: SectionKey): void {
    this.turned.delete(key);
  }
}
