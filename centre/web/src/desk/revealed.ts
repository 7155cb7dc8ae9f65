/** Keeps the row that was just chosen in sight: the card that opens, or a notice, takes room from the list right after. */

const SETTLES_MS = 2_000; // after it was chosen: what comes later moves nothing under a reader's eyes

export class Revealed {
  private readonly box: HTMLElement;
  private readonly rowOf: (id: string) => HTMLElement | undefined;
  private id: string | null = null;
  private untilMs = -Infinity;
  private scrolledTo = 0; // [px]; elsewhere: a reader has scrolled since
  private waits = false; // a link is followed before the list is drawn

  constructor(box: HTMLElement, rowOf: (id: string) => HTMLElement | undefined) {
    this.box = box;
    this.rowOf = rowOf;
    new ResizeObserver(() => {
      if (performance.now() < this.untilMs && Math.abs(box.scrollTop - this.scrolledTo) < 2) this.scroll();
    }).observe(box);
  }

  show(id: string): void {
    this.id = id;
    this.untilMs = performance.now() + SETTLES_MS;
    this.scroll();
  }

  /** The list was drawn: a row that it lacked may be there now. */
  drawn(): void {
    if (this.waits) this.scroll();
  }

  private scroll(): void {
    const row = this.id === null ? undefined : this.rowOf(this.id);
    this.waits = row?.isConnected !== true;
    if (!this.waits) row!.scrollIntoView({ block: "nearest" });
    this.scrolledTo = this.box.scrollTop;
  }
}
