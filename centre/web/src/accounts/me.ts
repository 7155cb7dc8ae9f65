/** Who is signed in here, and what the role allows. */

import { get, Refused } from "../api.ts";
import { setCsrf } from "../send.ts";

export type Role = "viewer" | "operator" | "supervisor" | "administrator" | "auditor";
export const ROLES: readonly Role[] = ["viewer", "operator", "supervisor", "administrator", "auditor"];

/** `/api/me`. Without accounts the name is "local", of a demo "demo". */
export interface Me {
  name: string;
  display: string;
  role: Role;
  rights: string[];
  csrf: string;
  desk: string;
  accounts: boolean;
  demo: boolean;
}

let me: Me | null = null;

/** The person whose session this page has; null until `loadMe` has answered. */
export function whoAmI(): Me | null {
  return me;
}

export function setMe(found: Me): void {
  me = found;
  setCsrf(found.csrf);
}

export function may(right: string): boolean {
  return me?.rights.includes(right) ?? false;
}

/** Ask the centre who is signed in; "nobody" where the session has ended, "unknown" where it does not answer. */
export async function loadMe(): Promise<Me | "nobody" | "unknown"> {
  try {
    const found = await get<Me>("/api/me");
    setMe(found);
    return found;
  } catch (error) {
    return error instanceof Refused && error.status === 401 ? "nobody" : "unknown";
  }
}
