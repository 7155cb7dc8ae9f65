/** Sends acts to the centre; every request that changes something goes through here. */

import { ask } from "./api.ts";

let csrf = "";

/** Keep the token of `/api/me` that each act must carry. */
export function setCsrf(token: string): void {
  csrf = token;
}

/** Send an act and return the answer; throws `Refused`, or a TypeError where the centre can't be reached. */
export async function send<T>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, body: unknown = {}): Promise<T> {
  const answer = await ask(path, {
    method,
    headers: { "content-type": "application/json", "x-csrf": csrf },
    body: JSON.stringify(body),
  });
  return (await answer.json().catch(() => ({}))) as T;
}
