/** The two WebSocket streams of the centre: events with a cursor, and vehicles. Both reconnect by themselves.
 *
 * An EventSource would occupy one of the six HTTP/1.1 connections that a browser opens to a host for all its windows
 * together: six windows could fetch no evidence and a seventh would never open. WebSockets are not limited so.
 */

import type { Episode, Gateway, Rsu, Rsus, Summary } from "./api.ts";

export interface StreamHandlers {
  violation(episode: Episode): void;
  rsu(rsu: Rsu): void;
  gateway(gateway: Gateway): void;
  rsus(rsus: Rsus): void;
  summary(summary: Summary): void;
  /** An event of another kind: the handling of an alarm, a loss of view, a shelf, … */
  other(kind: string, body: unknown): void;
  reset(cursor: number): void;
  frame(bytes: Uint8Array): void;
  /** The event stream broke; attempt number `attempt` to reconnect follows in `waitMs`. */
  lost(attempt: number, waitMs: number): void;
}

const FIRST_WAIT_MS = 500;
const WAIT_MAX_MS = 5_000;

/** 0.5 s, doubling to 5 s, varied by a quarter so that many pages do not reconnect at once. */
export function backOffMs(attempt: number, spread: number): number {
  return Math.min(WAIT_MAX_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10)) * (0.75 + 0.5 * spread);
}

/** One event as `text/event-stream` and `/api/stream` have it: lines of `id`, `event` and `data`. */
export function parseEvent(text: string): { id: string; kind: string; body: unknown } {
  const fields = { id: "", event: "", data: "" };
  for (const line of text.split("\n")) {
    const at = line.indexOf(": ");
    const key = line.slice(0, at);
    if (at > 0 && Object.hasOwn(fields, key)) fields[key as keyof typeof fields] = line.slice(at + 2);
  }
  return { id: fields.id, kind: fields.event, body: JSON.parse(fields.data) };
}

/** Changes that one drawing reports to have shown; the centre reads no more of one message. */
const SHOWN_MAX = 64;

export class Events {
  /** When the last event arrived [performance.now()]. */
  lifeAt = performance.now();
  /** When the stream was last opened [performance.now()]. */
  openedAt = performance.now();
  private socket: WebSocket | null = null;
  private timer = 0;
  private attempt = 0;
  private cursor: string;
  /** Numbers of the changes that arrived since the last drawing. */
  private undrawn: number[] = [];
  private readonly handlers: StreamHandlers;

  constructor(cursor: number, handlers: StreamHandlers) {
    this.cursor = String(cursor);
    this.handlers = handlers;
    this.open();
  }

  /** Reconnect now; the centre sends the missed events from the cursor on. */
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
      if (socket === this.socket && typeof event.data === "string") this.receive(event.data);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.reconnect();
    };
  }

  private close(): void {
    const { socket } = this;
    this.socket = null; // first: messages that it still delivers must be ignored
    socket?.close();
  }

  private receive(text: string): void {
    const { id, kind, body } = parseEvent(text);
    this.lifeAt = performance.now();
    this.attempt = 0;
    if (id !== "") this.cursor = id;
    switch (kind) {
      case "violation":
        if (id !== "" && this.undrawn.length < SHOWN_MAX) this.undrawn.push(Number(id));
        return this.handlers.violation(body as Episode);
      case "rsu": return this.handlers.rsu(body as Rsu);
      case "gateway": return this.handlers.gateway(body as Gateway);
      case "rsus": return this.handlers.rsus(body as Rsus);
      case "summary": return this.handlers.summary(body as Summary);
      case "reset": return this.handlers.reset((body as { cursor: number }).cursor);
      default: return this.handlers.other(kind, body);
    }
  }

  /** Report to the centre, once the next frame is on the screen, that what has arrived is drawn: it measures how long that took.
   *
   * Nobody sees a hidden tab, so it reports nothing. */
  drawn(): void {
    if (this.undrawn.length === 0) return;
    const [shown, socket] = [this.undrawn, this.socket];
    this.undrawn = [];
    if (document.hidden) return;
    requestAnimationFrame(() => setTimeout(() => {
      if (socket !== null && socket === this.socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ shown }));
    }));
  }

  /** Close the stream and reconnect after a back-off; also used for a stream that is open but sends nothing. */
  reconnect(): void {
    this.close();
    clearTimeout(this.timer);
    const waitMs = backOffMs(this.attempt++, Math.random());
    this.handlers.lost(this.attempt, waitMs);
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
  private view = "";
  private readonly handlers: StreamHandlers;

  constructor(handlers: StreamHandlers) {
    this.handlers = handlers;
    this.open();
  }

  /** Ask for these stretches [m] at the full rate; the rest of the road comes twice a second. */
  look(stretches: readonly (readonly [number, number])[]): void {
    const view = JSON.stringify({ view: stretches });
    if (view === this.view) return;
    this.view = view;
    this.sendView();
  }

  private sendView(): void {
    if (this.view !== "" && this.socket?.readyState === WebSocket.OPEN) this.socket.send(this.view);
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
    socket.onopen = () => this.sendView();
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (typeof event.data === "string") return;
      this.attempt = 0;
      this.handlers.frame(new Uint8Array(event.data));
    };
    socket.onclose = () => {
      this.socket = null;
      this.timer = window.setTimeout(() => this.open(), backOffMs(this.attempt++, Math.random()));
    };
  }
}
