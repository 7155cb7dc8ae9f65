/** Writing parts of the page. */

const KEY_NAMES: Readonly<Record<string, string>> = { "Esc": "Escape", "←": "ArrowLeft", "→": "ArrowRight" };

/** Write a part of the page only when it has changed, so that selections and tooltips survive. */
export function set(el: Element, html: string): void {
  const holder = el as Element & { written?: string };
  if (holder.written === html) return;
  holder.written = html;
  el.innerHTML = html;
}

/** A key beside the word of its button: drawn, but no part of the button's name. */
export function kbd(key: string): string {
  return `<kbd aria-hidden="true">${key}</kbd>`;
}

/** The name of a key as `aria-keyshortcuts` has it. */
export function keyName(key: string): string {
  return KEY_NAMES[key] ?? key;
}

/** Write a button: its word is its name, and the key that does the same is its shortcut; empty: it has none. */
export function setKeyed(el: Element, word: string, key: string): void {
  set(el, `${word}${key === "" ? "" : kbd(key)}`);
  if (key !== "" && el.getAttribute("aria-keyshortcuts") !== keyName(key)) el.setAttribute("aria-keyshortcuts", keyName(key));
}
