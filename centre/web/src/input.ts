/** Keys, buttons and changes of size. */

export interface InputActions {
  /** By the name in a button's `data-do`. */
  readonly buttons: Readonly<Record<string, () => void>>;
  /** By the key in lower case. */
  readonly keys: Readonly<Record<string, () => void>>;
  /** Draw everything again: an action has changed something. */
  acted(): void;
  /** Show the whole road on the map. */
  fitMap(): void;
  /** Lay the page out for a new size. */
  layOut(): void;
  /** Follow a changed address. */
  route(): void;
}

/** Add the page's listeners; the views have their own. */
export function listen(actions: InputActions): void {
  document.body.addEventListener("click", (event) => {
    const name = (event.target as HTMLElement).closest<HTMLElement>("[data-do]")?.dataset["do"];
    if (name === undefined) return;
    actions.buttons[name]?.();
    actions.acted();
  });
  document.querySelector("#whole > button")!.addEventListener("click", () => {
    actions.fitMap();
    actions.acted();
  });
  new ResizeObserver(() => actions.layOut()).observe(document.querySelector("#map")!);
  addEventListener("resize", () => actions.layOut()); // also fires on another screen, whose pixels have another size
  addEventListener("hashchange", () => actions.route());
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return; // a replay has its own Esc
    if ((event.target as HTMLElement).closest?.("input, textarea, select, dialog")) return; // somebody writes
    const act = actions.keys[event.key.toLowerCase()];
    if (act === undefined) return;
    act();
    actions.acted();
  });
}
