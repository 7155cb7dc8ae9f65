/** The page of the quarantine: what the centre received and did not store, and why. Pure but for its question. */

import { get } from "../api.ts";
import { escape } from "../format.ts";
import { t } from "../words.ts";
import { rsuLink, stamp, table } from "./tables.ts";

const ROWS = 200;

export interface Quarantined {
  n: number;
  received_ns: string;
  topic: string;
  esn: string | null;
  epoch: number | null;
  seq: number | null;
  reason: string;
  bytes: number;
}

export interface QuarantinePage {
  items: Quarantined[];
  next: number | null;
}

export function loadQuarantine(before: string | null): Promise<QuarantinePage> {
  return get<QuarantinePage>(`/api/quarantine?limit=${ROWS}${before === null ? "" : `&before=${encodeURIComponent(before)}`}`);
}

export function quarantineHtml(page: QuarantinePage): string {
  const older = page.next === null
    ? ""
    : `<p class="turns"><a href="#quarantine?before=${page.next}" data-testid="before">${t("qOlder")}</a></p>`;
  const rows = page.items.map((x) => [
    stamp(x.received_ns), x.esn === null || x.esn === "" ? "—" : rsuLink(x.esn), x.epoch === null ? "—" : String(x.epoch),
    x.seq === null ? "—" : String(x.seq), escape(x.reason), String(x.bytes), escape(x.topic),
  ]);
  const body = rows.length === 0
    ? `<div class="blank dim">${t("qNoQuarantine")}</div>`
    : table([t("qSince"), "RSU", t("qEpoch"), t("qSeq"), t("qReason"), t("qBytes"), t("qTopic")], rows, t("qQuarantine"));
  return `<h2>${t("qQuarantine")}</h2><p class="dim">${t("qQuarantineWhat")}</p>${older}${body}`;
}
