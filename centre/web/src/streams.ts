/** The two streams of the centre: events with a cursor, and vehicles; both by WebSocket, both come back by themselves.
 *
 * No EventSource: it would hold one of the six HTTP/1.1 connections that a browser opens to a host for all its
 * windows together, so that six windows get no evidence and a seventh never opens. WebSockets don't count there.
 */

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

/** One event as `text/event-stream` and `/api/stream` have it: lines of `id`, `event` and `data`. */
export function parseEvent(text: string): { id: string; kind: string; body: unknown } {
  const fields = { id: "", event: "", data: "" };
  for (const line of text.split("\n")) {
    const at = line.indexOf(": ");
    const key = line.slice(0, at);
    if (at > 0 && key in fields) fields[key as keyof typeof fields] = line.slice(at + 2);
  }
  return { id: fields.id, kind: fields.event, body: JSON.parse(fields.data) };
}

export class Events {
  /** When the centre was last heard [performance.now()]. */
  lifeAt = performance.now();
  /** When the stream was last asked for [performance.now()]. */
  openedAt = performance.now();
  private socket: WebSocket | null = null;
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
    this.close();
    this.openedAt = performance.now();
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/stream?after=${this.cursor}`);
    this.socket = socket;
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (socket === this.socket && typeof event.data === "string") this.take(event.data);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.again();
    };
  }

  private close(): void {
    const { socket } = this;
    this.socket = null; // first: what it still brings is another connection's
    socket?.close();
  }

  private take(text: string): void {
    const { id, kind, body } = parseEvent(text);
    this.lifeAt = performance.now();
    this.attempt = 0;
    if (id !== "") this.cursor = id;
    switch (kind) {
      case "violation": return this.hears.violation(body as Episode);
      case "rsu": return this.hears.rsu(body as Rsu);
      case "gateway": return this.hears.gateway(body as Gateway);
      case "rsus": return this.hears.rsus(body as Rsus);
      case "summary": return this.hears.summary(body as Summary);
      case "reset": return this.hears.reset((body as { cursor: number }).cursor);
    }
  }

  /** Drop the stream and try anew after a while; also for one that is open but silent. */
  again(): void {
    this.close();
    clearTimeout(this.timer);
    const waitMs = backOffMs(this.attempt++, Math.random());
    this.hears.lost(this.attempt, waitMs);
    this.timer = window.setTimeout(() => this.open(), waitMs);
  }

  get waiting(): boolean {
    return this.socket === null;
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
