/** What the centre knows of an episode's evidence files and warnings, and the words for it. Pure. */

import { escape, moment, ms } from "../format.ts";
import { t, wordOf } from "../words.ts";

export interface EvidenceFile {
  id: string;
  state: "waiting" | "ready" | "failed" | "deleted";
  user: string;
  n_bytes: number | null;
  missing: { what: string; why: string }[];
  fault: string | null;
  progress: { step: "waiting" | "fetching" | "packing"; done: number; total: number };
}

export interface Warning {
  id: string;
  terminal: string;
  text: string;
  user: string;
  sent_ns: string;
  outcome: string;
}

export interface Warnings {
  terminal: string | null;
  text: string;
  why_not: "no_gateway" | "no_terminal" | "late" | "warned" | null;
  items: Warning[];
}

/** Whether something is under way, so that it has to be asked for again. */
export function isMoving(files: readonly EvidenceFile[], warnings: Warnings | null): boolean {
  const outcome = warnings?.items[0]?.outcome;
  return files[0]?.state === "waiting" || outcome === "sending" || outcome === "sent";
}

export function size(nBytes: number): string {
  return nBytes < 1_000_000 ? `${(nBytes / 1_000).toFixed(0)} kB` : `${(nBytes / 1_000_000).toFixed(1)} MB`;
}

/** The newest file in a line: how far it is, what it lacks, where to fetch it. */
export function fileHtml(file: EvidenceFile | undefined): string {
  if (file === undefined) return "";
  if (file.state === "failed") return escape(t("evFailed", { r: file.fault ?? "" }));
  if (file.state === "deleted") return escape(t("evDeleted", { r: file.fault ?? "" }));
  if (file.state === "waiting") {
    const { step, done, total } = file.progress;
    if (step === "packing") return t("evPacking");
    return step === "waiting" ? t("evWaiting") : t("evFetching", { p: total === 0 ? "…" : `${size(done)} / ${size(total)}` });
  }
  const lacks = file.missing.map((x) => `${x.what}: ${x.why}`).join("\n");
  const whole = file.missing.length === 0 ? t("evWhole") : t("evMissing", { n: file.missing.length });
  const href = `/api/evidence/${encodeURIComponent(file.id)}/file`;
  const link = `<a href="${href}" download>${t("evReady", { s: size(file.n_bytes ?? 0) })}</a>`;
  return `${link} <span class="dim" title="${escape(lacks)}">${whole}</span>`;
}

/** The newest warning in a line: its outcome, when, who, what. */
export function warningHtml(warnings: Warnings | null, nowMs: number): string {
  const newest = warnings?.items[0];
  if (newest === undefined) return "";
  const words = wordOf("warn", newest.outcome);
  const when = `<span class="dim">${moment(ms(newest.sent_ns), nowMs)} ${escape(newest.user)}</span>`;
  return `<span title="${escape(newest.text)}">${escape(words)}</span> ${when}`;
}

/** Why a driver can't be warned; empty: he can. */
export function whyNot(warnings: Warnings | null): string {
  if (warnings === null) return t("why_loading");
  return warnings.why_not === null ? "" : wordOf("why", warnings.why_not);
}

/** A camera's address with the episode's values; null where the RSU has none. */
export function cameraUrl(template: string | null | undefined, values: Readonly<Record<string, string>>): string | null {
  if (template === null || template === undefined) return null;
  const url = template.replace(/\{(\w+)\}/g, (whole, key: string) => (key in values ? encodeURIComponent(values[key]!) : whole));
  return /^https?:\/\//.test(url) ? url : null;
}
