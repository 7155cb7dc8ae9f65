"""What a script sees of a page as a person does: words that are cut, too small, or of the other language."""

# words that end at a rim: an element's own, whether it or what it lies in cuts them, or that of what it lies
# in; a list that scrolls has none
CUT = """() => [...document.querySelectorAll("body *")].flatMap((el) => {
  const text = [...el.childNodes].filter((x) => x.nodeType === 3).map((x) => x.data.trim()).join("");
  const box = el.getBoundingClientRect();
  // a carrier's name has any length; the UN number before it shows in any case
  const apart = "svg, .un, .hidden, .maplibregl-map";
  if (text === "" || box.width + box.height === 0 || el.closest(apart)) return [];
  const drops = el.closest(".drops"); // where boxes that have no room drop whole, the least needed first
  if (drops !== null && box.top >= drops.getBoundingClientRect().bottom - 1) return [];
  if (el.clientWidth > 0 && el.scrollWidth > el.clientWidth) return [text + " in itself"]; // 0: a line
  const px = 3 * el.currentCSSZoom; // a line's box may be lower than its letters' box
  for (let at = el; at !== document.body; at = at.parentElement) {
    const style = getComputedStyle(at), rim = at.getBoundingClientRect();
    const where = ` in ${at.id || at.className || at.tagName}`;
    const sideways = box.right > rim.right + 1 || box.left < rim.left - 1;
    if (style.overflowX !== "visible" && at !== el && sideways) return [text + where];
    const below = box.bottom > rim.bottom + px || box.top < rim.top - px;
    if (style.overflowY === "hidden" && at !== el && below) return [text + " below" + where];
    if (style.overflowY === "auto") return [];
  }
  return [];
})"""
SMALLEST_PX = """() => Math.min(...[...document.querySelectorAll("body *")]
  .filter((el) => [...el.childNodes].some((x) => x.nodeType === 3 && x.data.trim() !== ""))
  .filter((el) => el.getClientRects().length > 0 && el.closest("svg, .maplibregl-map") === null)
  .map((el) => parseFloat(getComputedStyle(el).fontSize) * el.currentCSSZoom))"""

# each text that is shown or said: [where, text]; what is in another language on purpose says so by `lang`
SAID = """() => {
  const page = document.documentElement.lang;
  const said = [];
  for (const el of document.querySelectorAll("body *")) {
    if (!el.checkVisibility({ visibilityProperty: true })) continue;
    if (el.closest(".maplibregl-map, noscript, #announce") !== null) continue; // what was said was said
    if (el.closest("[lang]").lang !== page) continue;
    const where = el.closest("[id]")?.id ?? el.tagName;
    const texts = [...el.childNodes].filter((x) => x.nodeType === 3).map((x) => x.data.trim());
    for (const text of texts) if (text !== "") said.push([where, text]);
    for (const name of ["title", "aria-label", "placeholder", "alt", "aria-valuetext"]) {
      const text = el.getAttribute(name);
      if (text) said.push([`${where} ${name}`, text]);
    }
  }
  return said;
}"""
# elements that a pointer or a key can use and that a screen reader can't name
NAMELESS = """() => [...document.querySelectorAll("button, a[href], input, select, textarea, [tabindex='0']")]
  .filter((el) => el.checkVisibility({ visibilityProperty: true }) && el.type !== "hidden")
  .filter((el) => {
    const labels = [...(el.labels ?? [])].map((x) => x.innerText).join("");
    const by = el.getAttribute("aria-labelledby");
    const named = by === null ? "" : document.getElementById(by)?.innerText ?? "";
    const names = [el.getAttribute("aria-label"), el.innerText, el.title, el.placeholder, labels, named];
    return names.every((x) => !x?.trim());
  })
  .map((el) => el.outerHTML.slice(0, 120))"""
