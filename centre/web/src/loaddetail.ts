/** Fetches the evidence of chosen episodes. */

import { get, Refused } from "./api.ts";
import type { EpisodeDetail } from "./api.ts";
import type { State } from "./state.ts";

const asked = new Set<string>(); // episodes whose evidence is on its way

/** Fetch an episode's evidence; what the centre could not give is asked for again once it is back. */
export async function loadDetail(state: State, id: string): Promise<void> {
  if (asked.has(id)) return;
  asked.add(id);
  if (!state.details.has(id)) state.details.set(id, "loading");
  try {
    const detail = await get<EpisodeDetail>(`/api/violations/${encodeURIComponent(id)}`);
    state.details.set(id, detail);
    state.put(detail.episode);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) state.details.set(id, "missing");
    else if (state.details.get(id) === "loading") state.details.delete(id);
  } finally {
    asked.delete(id);
  }
}
