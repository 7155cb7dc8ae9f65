/** The two streams of the centre: events by SSE with a cursor, vehicles by WebSocket; both come back by themselves. */

import type { Episode, Gateway, Rsu, Rsus, Summary } from "./api.ts";

export interface Hears {
  violation(episode: Episode): void;
  rsu(rsu: Rsu): void;
  gateway(gateway: Gateway): void;
  rsus(rsus: Rsus): void;
  summary(summary: Summary): void;
  reset(cursor: number): void;
  frame(bytes: Uint8Array): void;
  /** The event stream broke; it tries again in `waitMs`, for the `attempt`th time. */
  lost(attempt: number, waitMs: number): void;
}

const FIRST_WAIT_MS = 500;
const WAIT_MAX_MS = 5_000;

/** 0.5 s, doubling to 5 s, spread by a quarter so that many pages don't come back at once. */
export function backOffMs(attempt: number, spread: number): number {
  return Math.min(WAIT_MAX_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10)) * (0.75 + 0.5 * spread);
}

export class Events {
  /** When the centre was last heard [performance.now()]. */
  lifeAt = performance.now();
  /** When the stream was last asked for [performance.now()]. */
  openedAt = performance.now();
  private source: EventSource | null = null;
  private timer = 0;
  private attempt = 0;
  private cursor: string;
  private readonly hears: Hears;

  constructor(cursor: number, hears: Hears) {
    this.cursor = String(cursor);
    this.hears = hears;
    this.open();
  }

  /** Ask for the stream again, now; what was missed comes by the cursor. */
  retry(): void {
    clearTimeout(this.timer);
    this.open();
  }

  private open(): void {
    this.source?.close();
    this.openedAt = performance.now();
    const source = new EventSource(`/api/events?after=${this.cursor}`);
    this.source = source;
    const on = <T>(kind: string, take: (body: T) => void): void => {
      source.addEventListener(kind, (event: MessageEvent<string>) => {
        if (source !== this.source) return;
        this.lifeAt = performance.now();
        this.attempt = 0;
        if (event.lastEventId !== "") this.cursor = event.lastEventId;
        take(JSON.parse(event.data) as T);
      });
    };
    on<Episode>("violation", (x) => this.hears.violation(x));
    on<Rsu>("rsu", (x) => this.hears.rsu(x));
    on<Gateway>("gateway", (x) => this.hears.gateway(x));
    on<Rsus>("rsus", (x) => this.hears.rsus(x));
    on<Summary>("summary", (x) => this.hears.summary(x));
    on<{ cursor: number }>("reset", (x) => this.hears.reset(x.cursor));
    source.onerror = () => {
      if (source === this.source) this.again();
    };
  }

  /** Drop the stream and try anew after a while; also for one that is open but silent. */
  again(): void {
    this.source?.close();
    this.source = null;
    clearTimeout(this.timer);
    const waitMs = backOffMs(this.attempt++, Math.random());
    this.hears.lost(this.attempt, waitMs);
    this.timer = window.setTimeout(() => this.open(), waitMs);
  }

  get waiting(): boolean {
    return this.source === null;
  }
}

export class Tracks {
  private socket: WebSocket | null = null;
  private timer = 0;
  private attempt = 0;
  private readonly hears: Hears;

  constructor(hears: Hears) {
    this.hears = hears;
    this.open();
  }

  retry(): void {
    if (this.socket !== null) return;
    clearTimeout(this.timer);
    this.open();
  }

  private open(): void {
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/tracks`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (typeof event.data === "string") return;
      this.attempt = 0;
      this.hears.frame(new Uint8Array(event.data));
    };
    socket.onclose = () => {
      this.socket = null;
      this.timer = window.setTimeout(() => this.open(), backOffMs(this.attempt++, Math.random()));
    };
  }
}
