/** Follows the page's address: the part after `#` names a screen of the page, or what is chosen on it. */

/** One kind of address that the page knows. */
export interface Route {
  readonly hash: RegExp;
  /** Show what the address names; `value` is what the first group of `hash` matched, empty without a group. */
  open(value: string): unknown;
}

export class Router {
  private readonly routes: readonly Route[];

  constructor(routes: readonly Route[]) {
    this.routes = routes;
  }

  /** Open the first route that matches; returns false, and changes nothing, where none does. */
  follow(hash: string): boolean {
    for (const route of this.routes) {
      const match = route.hash.exec(hash);
      if (match === null) continue;
      route.open(match[1] ?? "");
      return true;
    }
    return false;
  }
}
