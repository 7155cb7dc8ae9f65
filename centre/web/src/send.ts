/** Sends acts to the centre; every request that changes something goes through here. */

let csrf = "";

/** Keep the token of `/api/me` that each act must carry. */
export function setCsrf(token: string): void {
  csrf = token;
}

/** The centre refused an act: `status`, and its problem (RFC 9457) with its own members. */
export class Refused extends Error {
  readonly status: number;
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(status: number, problem: Readonly<Record<string, unknown>>) {
    super(String(problem["detail"] ?? status));
    this.status = status;
    this.problem = problem;
  }
}

/** Send an act and return the answer; throws `Refused`, or a TypeError where the centre can't be reached. */
export async function send<T>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, body: unknown = {}): Promise<T> {
  const answer = await fetch(path, {
    method,
    headers: { "content-type": "application/json", "x-csrf": csrf },
    body: JSON.stringify(body),
  });
  const found: unknown = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, found as Record<string, unknown>);
  return found as T;
}
