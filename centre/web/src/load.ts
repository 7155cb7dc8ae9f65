/** Fetches what the page needs before its streams start: site, map, episodes, RSUs; later the evidence of chosen episodes. */

import { detailByArrival } from "./arrival.ts";
import { get, loadEpisodes, Refused } from "./api.ts";
import type { EpisodeDetail, Rsus, SiteBody } from "./api.ts";
import { baseFeatures } from "./basemap.ts";
import { loadDesk } from "./desk/load.ts";
import { hasVersions, isExerciseId } from "./desk/model.ts";
import { resetWindow } from "./detail/zoom.ts";
import { Fleet } from "./fleet.ts";
import { lanePlace, makeSite } from "./site.ts";
import type { Site } from "./site.ts";
import { WINDOW_M } from "./state.ts";
import type { State } from "./state.ts";
import type { Updates } from "./updates.ts";

const RETRY_MS = 500; // doubles with each attempt
const RETRY_MS_MAX = 5_000;

export class Loader {
  private readonly state: State;
  private readonly updates: Updates;
  private readonly onMap: (site: Site, features: GeoJSON.FeatureCollection) => void;
  private site: Promise<void> | null = null; // loaded once: a later attempt must not create a second map

  /** `onMap` creates the maps as soon as the site and its map are here. */
  constructor(state: State, updates: Updates, onMap: (site: Site, features: GeoJSON.FeatureCollection) => void) {
    this.state = state;
    this.updates = updates;
    this.onMap = onMap;
  }

  /** Load everything, with a new attempt after each failure; returns the cursor from which the event stream continues. */
  async load(): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.tryToLoad();
      } catch (error) {
        console.warn(error);
        await new Promise((done) => setTimeout(done, Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** attempt)));
      }
    }
  }

  private async tryToLoad(): Promise<number> {
    this.site ??= this.loadSite();
    this.site.catch(() => (this.site = null));
    const [cursor] = await Promise.all([this.loadList(), this.loadRsus(), this.site]);
    this.updates.roadChanged();
    moveToTraffic(this.state);
    return cursor;
  }

  private async loadSite(): Promise<void> {
    const { state } = this;
    const site = makeSite(await get<SiteBody>("/api/site"));
    state.site = site;
    state.fleet = new Fleet({ plane: site.plane, axis: site.axis, lane: (lane) => lanePlace(site, lane) });
    state.steps.add("site");
    state.windowFrom = site.from;
    resetWindow(state); // a road may be shorter than the strip
    const map = await get<GeoJSON.FeatureCollection>("/api/map");
    state.steps.add("map");
    this.onMap(site, baseFeatures(map, site));
  }

  private async loadList(): Promise<number> {
    const episodes = await loadEpisodes();
    this.state.complete = episodes.complete;
    for (const episode of episodes.items) this.state.put(episode);
    await loadDesk(this.state);
    this.state.steps.add("list");
    return episodes.cursor;
  }

  private async loadRsus(): Promise<void> {
    const rsus = await get<Rsus>("/api/rsus");
    this.state.setCentreTime(rsus.now_ns, performance.now());
    this.updates.rsus(rsus);
    this.state.steps.add("rsus");
  }
}

/** Move the detail strip to the middle of the RSUs that are online: traffic is visible there. */
function moveToTraffic(state: State): void {
  const online = [...state.rsus.values()].filter((x) => x.state === "online" && x.stretch_m !== null);
  const from = Math.min(...online.map((x) => x.stretch_m![0]));
  const to = Math.max(...online.map((x) => x.stretch_m![1]));
  state.moveWindow(online.length === 0 ? (state.site?.from ?? 0) : (from + to - WINDOW_M) / 2);
}

const requested = new Set<string>(); // episodes whose evidence is being fetched

/** Fetch an episode's evidence; after a failure it can be requested again. */
export async function loadDetail(state: State, id: string): Promise<void> {
  if (requested.has(id) || !hasVersions(id)) return;
  requested.add(id);
  if (!state.details.has(id)) state.details.set(id, "loading");
  try {
    const where = isExerciseId(id) ? "exercise" : "violations";
    const detail = detailByArrival(await get<EpisodeDetail>(`/api/${where}/${encodeURIComponent(id)}`));
    state.details.set(id, detail);
    state.put(detail.episode);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) state.details.set(id, "missing");
    else if (state.details.get(id) === "loading") state.details.delete(id);
  } finally {
    requested.delete(id);
  }
}
