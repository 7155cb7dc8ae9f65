/** Applies what the two streams bring to the state, and requests a drawing at once where it may be an alarm. */

import type { Episode, Gateway, Rsu, Rsus, Summary } from "./api.ts";
import { LATE_MS } from "./connection.ts";
import { loadDetail } from "./load.ts";
import { hatches, radarCovers } from "./site.ts";
import { readSnapshot } from "./snapshot.ts";
import type { State } from "./state.ts";
import type { StreamHandlers } from "./streams.ts";

export class Updates implements StreamHandlers {
  /** When each RSU's last snapshot arrived, by its number [performance.now()]. */
  readonly snapshotAt = new Map<string, number>();
  /** What takes an event of another kind, by its name. */
  readonly kinds = new Map<string, (body: unknown) => void>();
  private badFrames = 0;
  private standing = "";
  private drawnRoad = "";
  private readonly state: State;
  private readonly requestDrawing: () => void;

  constructor(state: State, requestDrawing: () => void) {
    this.state = state;
    this.requestDrawing = requestDrawing;
  }

  violation(episode: Episode): void {
    if (!this.state.put(episode)) return;
    this.requestDrawing(); // an alarm does not wait for the next drawing of the text
    if (episode.id === this.state.selected) void loadDetail(this.state, episode.id);
  }

  rsu(rsu: Rsu): void {
    const { state } = this;
    if (!state.rsus.has(rsu.esn)) state.rsuOrder.push(rsu.esn);
    state.rsus.set(rsu.esn, rsu);
    this.roadChanged();
    this.unitsChanged();
  }

  rsus(body: Rsus): void {
    const { state } = this;
    for (const rsu of body.rsus) state.rsus.set(rsu.esn, rsu);
    state.rsuOrder = body.rsus.map((x) => x.esn);
    state.gateways = body.gateways;
    this.roadChanged();
    this.unitsChanged();
  }

  gateway(gateway: Gateway): void {
    const { state } = this;
    state.gateways = [...state.gateways.filter((x) => x.id !== gateway.id), gateway].sort((a, b) => a.id.localeCompare(b.id));
    this.unitsChanged();
  }

  /** An RSU or gateway that goes or comes is an alarm too; what else a heartbeat brings waits for the next drawing of the text. */
  private unitsChanged(): void {
    const { state } = this;
    const standing = [...state.rsus.values(), ...state.gateways].map((x) => `${"esn" in x ? x.esn : x.id} ${x.state} ${x.stale}`).join();
    if (standing === this.standing) return;
    this.standing = standing;
    this.requestDrawing();
  }

  summary(summary: Summary): void {
    const { state } = this;
    state.summary = summary;
    state.attempt = 0;
    state.nextTryMs = NaN;
    state.setCentreTime(summary.now_ns, performance.now());
  }

  other(kind: string, body: unknown): void {
    this.kinds.get(kind)?.(body);
    if (this.kinds.has(kind)) this.requestDrawing();
  }

  reset(): void {
    location.reload();
  }

  lost(attempt: number, waitMs: number): void {
    this.state.attempt = attempt;
    this.state.nextTryMs = performance.now() + waitMs;
  }

  frame(bytes: Uint8Array): void {
    const { state } = this;
    const now = performance.now();
    try {
      const snapshot = readSnapshot(bytes);
      state.fleet?.ingest(snapshot);
      state.stream.observe(snapshot.stampMs, now);
      // the first frame of a connection may be seconds old: it brings names, but no position that is live
      if (snapshot.stampMs > state.stream.now(now) - LATE_MS) {
        // where the centre sends an RSU's positions less often, its silence counts from when the next is due
        this.snapshotAt.set(snapshot.esn, now + Math.max(0, 2 * snapshot.everyMs - LATE_MS));
        state.steps.add("vehicles");
      }
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
      document.documentElement.dataset["badFrames"] = String(++this.badFrames); // one RSU's fault must not stop the page
    }
  }

  /** Compute again which stretches are not judged and which the radars cover. */
  roadChanged(): void {
    const { state } = this;
    if (state.site === null) return;
    state.hatches = hatches(state.site, [...state.rsus.values()]);
    state.covers = radarCovers(state.site, state.rsus);
    const units = [...state.rsus.values()].map((x) => [x.esn, x.state, x.stale, x.latency.p99_ms?.toFixed(0)]);
    const road = JSON.stringify([units, state.hatches, state.covers]);
    if (road === this.drawnRoad) return; // a heartbeat that says what the one before said
    this.drawnRoad = road;
    state.roadChanges++;
  }
}
