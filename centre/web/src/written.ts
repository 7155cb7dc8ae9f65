/** Writing parts of the page. */

/** Write a part of the page only when it has changed, so that selections and tooltips survive. */
export function set(el: Element, html: string): void {
  const holder = el as Element & { written?: string };
  if (holder.written === html) return;
  holder.written = html;
  el.innerHTML = html;
}
