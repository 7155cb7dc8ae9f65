/** Which window of a browser leads, where the browser has no locks (a page without TLS): one lease that all windows see. Pure. */

export const LEASE_MS = 3_000; // a hidden window's timers run once a second: it renews in time

const KEY = "petroroad-sound";

type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export class Lease {
  private readonly store: Store;
  private readonly name: string;
  private claimed = false;
  private calledMs = Infinity;

  /** `name`: of this window, unlike that of any other one. */
  constructor(store: Store, name: string) {
    this.store = store;
    this.name = name;
  }

  /** Renew or claim the lease; says whether this window leads. Call it several times in LEASE_MS. */
  leads(nowMs: number): boolean {
    const [name, until] = (this.store.getItem(KEY) ?? "").split(" ");
    const leftMs = Number(until ?? NaN) - nowMs;
    const own = name === this.name;
    const slow = nowMs - this.calledMs > LEASE_MS; // a window that was hidden for long is called once a minute: it could not confirm
    this.calledMs = nowMs;
    const free = !(leftMs > 0 && leftMs <= LEASE_MS); // one that ends later was given before the clock was set back
    if (!own && !free) return (this.claimed = false);
    this.store.setItem(KEY, `${this.name} ${nowMs + LEASE_MS}`);
    const confirmed = slow || (own && this.claimed); // of two that claim at one moment the later one has written last
    this.claimed = true;
    return confirmed;
  }

  /** The window is being closed: another one need not wait. */
  end(): void {
    if ((this.store.getItem(KEY) ?? "").split(" ")[0] === this.name) this.store.removeItem(KEY);
    this.claimed = false;
  }
}
