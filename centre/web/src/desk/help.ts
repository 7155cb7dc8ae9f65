/** The keys of the page, as a dialog. */

import { t } from "../words.ts";
import { kbd } from "../written.ts";

export function showHelp(el: HTMLDialogElement): void {
  const rows: [string, string][] = [
    ["J K", t("keyMove")], ["A", t("actAcknowledge")], ["H", t("actHandle")], ["C", t("actClose")], ["F", t("actFalse")],
    ["N", t("keyNote")], ["W", t("actWarn")], ["E", t("actEvidence")], ["S", t("keyShelve")],
    ["X", t("keyCase")], ["M", t("keyMute")], ["D", t("keyShift")], ["P", t("replay30")], ["/", t("qSearch")],
    ["B", t("keyBoard")],
    ["[ ]", t("keyPan")], ["+ − 0", t("keyZoom")], ["␣ ← →", t("keyReplay")],
    ["L", t("keyLang")], ["T", t("keyTheme")], ["R", t("keyRetry")], ["?", t("keyHelp")], ["Esc", t("keyAway")],
  ];
  el.innerHTML = `<h3>${t("keysTitle")}</h3><dl>${rows.map(([key, word]) => `<dt><kbd>${key}</kbd></dt><dd>${word}</dd>`).join("")}</dl>
    <div class="ends"><button type="button" class="pri" data-help="close">${t("done")}${kbd("Esc")}</button></div>`;
  el.setAttribute("aria-label", t("keysTitle"));
  el.querySelector("button")!.onclick = () => el.close();
  if (!el.open) el.showModal();
}
