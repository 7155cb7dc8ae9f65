/** Keys, buttons and changes of size. */

type Keys = Readonly<Record<string, () => void>>;

export interface InputActions {
  /** By the name in a button's `data-do`. */
  readonly buttons: Keys;
  /** By the key in lower case. */
  readonly keys: Keys;
  /** Draw everything again: an action has changed something. */
  acted(): void;
  /** Show the whole road on the map. */
  fitMap(): void;
  /** Lay the page out for a new size. */
  layOut(): void;
  /** Follow a changed address. */
  route(): void;
}

/** Whether a key belongs to somebody else: it is one of the browser's, a part has taken it, or somebody writes. */
export function isTaken(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const target = event.target as Partial<Element> | null;
  if (target?.closest?.("input, textarea, select, dialog") == null) return false;
  return target.closest<HTMLDialogElement>("dialog")?.open !== false; // a shut one keeps the focus until the next frame
}

/** These keys, but where `is` says no they do nothing. */
export function onlyWhere(is: () => boolean, keys: Keys): Keys {
  return Object.fromEntries(Object.entries(keys).map(([key, act]) => [key, () => {
    if (is()) act();
  }]));
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
    if (isTaken(event)) return;
    const act = actions.keys[event.key.toLowerCase()];
    if (act === undefined) return;
    event.preventDefault(); // else the letter is written into the field that its act opens
    act();
    actions.acted();
  });
}
