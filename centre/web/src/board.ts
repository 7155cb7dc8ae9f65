/** The board of journeys, a screen of its own: who is on the road, since when, where, expected out; below, who has left. */

import { escape, kmh, moment, ms, station } from "./format.ts";
import {
  beganText, cargoOf, contactText, dwellText, ENDED_ROWS, endText, gateName, isOverdue, lastedText, loadJourneys, ordered, permitText,
  plateOf, speedText, violationsText,
} from "./journeys.ts";
import type { GateName, Journey } from "./journeys.ts";
import { Poll } from "./poll.ts";
import { vehicleLink } from "./search/goods.ts";
import { isLinked } from "./state.ts";
import type { State } from "./state.ts";
import type { Host, View } from "./views.ts";
import { t } from "./words.ts";
import type { Word } from "./words.ts";
import { set } from "./written.ts";

const ASK_MS = 5_000; // RSUs send a version each 10 s, and at once where something happens
const OPEN_COLUMNS: readonly Word[] = [
  "cPlate", "cUn", "cEntry", "cLasted", "cNow", "cProgress", "cOut", "cDwell", "cContact", "cPermit", "cRules",
];
const ENDED_COLUMNS: readonly Word[] = ["cPlate", "cUn", "cEntry", "cLasted", "cExit", "cMeanMax", "cDwell", "cPermit", "cRules"];

export class Board implements View {
  readonly rate = "text";
  private readonly root: HTMLElement;
  private endedRows = ENDED_ROWS;
  private readonly journeys = new Poll(ASK_MS, () => loadJourneys(this.endedRows));

  constructor(root: HTMLElement) {
    this.root = root;
  }

  mount(host: Host): void {
    const choose = (event: Event): void => {
      if ((event.target as HTMLElement).closest("[data-board=older]") !== null) {
        this.endedRows = (this.journeys.found?.ended.length ?? 0) + ENDED_ROWS;
        this.journeys.renew();
        return;
      }
      if ((event.target as HTMLElement).closest("a") !== null) return; // to the vehicle's page
      const id = (event.target as HTMLElement).closest<HTMLElement>("tr[data-id]")?.dataset["id"];
      const journey = this.journeys.found?.open.find((x) => x.id === id);
      if (journey === undefined || journey.s_m === null) return;
      location.hash = "";
      host.choose({ kind: "station", sM: journey.s_m });
    };
    this.root.addEventListener("click", choose);
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.target as HTMLElement).tagName !== "BUTTON") choose(event); // a button clicks by itself
    });
  }

  draw(state: State, now: number): void {
    if (!this.root.hidden && state.connection !== "disconnected") this.journeys.look(now);
    const { found, failed } = this.journeys;
    const parts = this.root.querySelectorAll<HTMLElement>("h2, .plot"); // a title and a table, twice
    const [openTitle, openTable, endedTitle, endedTable] = [parts[0]!, parts[1]!, parts[2]!, parts[3]!];
    if (found === null) {
      set(openTitle, t("board"));
      set(openTable, `<div class="blank dim">${t(isLinked(state) ? (failed ? "boardFailed" : "loading") : "qAway")}</div>`);
      return;
    }
    const nowMs = state.viewMs();
    const rows = ordered(found.open, nowMs);
    const overdue = rows.filter((x) => isOverdue(x, nowMs)).length;
    const lost = rows.filter((x) => x.contact === "lost").length;
    const gate = gateName(state);
    const bad = (n: number): string => (n > 0 ? `<b class="bad">▲ ${n}</b>` : "0");
    set(
      openTitle,
      `${t("board")} <span>${rows.length}</span><span>${t("overdue")} ${bad(overdue)}</span><span>${t("contactLost")} ${bad(lost)}</span>`
        + `<span class="end">${failed ? `▲ ${t("boardFailed")}` : t("boardNote")}</span>`,
    );
    const body = rows.map((x) => openRow(x, nowMs, gate)).join("");
    set(openTable, rows.length === 0 ? `<div class="blank">${t("boardEmpty")}</div>` : tableOf(OPEN_COLUMNS, body));
    set(endedTitle, `${t("leftRoad")} <span>${t("newestN", { n: found.ended.length })}</span>`);
    const left = found.ended.map((x) => endedRow(x, nowMs, gate)).join("");
    const more = found.more ? `<p><button type="button" data-board="older">${t("qOlder")}</button></p>` : "";
    set(endedTable, left === "" ? `<div class="blank">${t("leftNone")}</div>` : tableOf(ENDED_COLUMNS, left) + more);
  }
}

function tableOf(columns: readonly Word[], body: string): string {
  const head = columns.map((word) => `<th scope="col">${t(word)}</th>`).join("");
  return `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

function flagged(text: string, bad: boolean): string {
  return bad ? `<span class="bad">▲ ${text}</span>` : text;
}

function openRow(x: Journey, nowMs: number, gate: GateName): string {
  const overdue = isOverdue(x, nowMs);
  const lost = x.contact === "lost";
  const share = x.share === null ? "—" : `<meter min="0" max="1" value="${x.share}"></meter> ${(x.share * 100).toFixed(0)} %`;
  const out = x.eta_ns === null ? "—" : `${moment(ms(x.eta_ns), nowMs)}${x.exit === null ? "" : ` ${escape(gate(x.exit))}`}`;
  const late = overdue ? ` · ${t("overdueBy", { t: lastedText({ ...x, start_ns: x.due_ns ?? x.start_ns }, nowMs) })}` : "";
  const moving = Number(x.standing_since_ns) === 0;
  const now = `${station(x.s_m)} · ${moving ? `${kmh(x.speed_mps)} km/h` : t("stands")}`;
  const cells = [
    `<b>${vehicleLink(plateOf(x))}</b>`, escape(cargoOf(x)), beganText(x, gate, nowMs), lastedText(x, nowMs),
    lost ? `${station(x.s_m)}` : now, share,
    flagged(`${out}${late}`, overdue), dwellText(x, nowMs), flagged(escape(contactText(x, nowMs)), lost || x.contact === "radar"),
    flagged(escape(permitText(x)), Object.keys(x.broken).length > 0),
    escape(violationsText(x)),
  ];
  return `<tr class="main${overdue || lost ? " flag" : ""}" tabindex="0" data-id="${escape(x.id)}" data-testid="journey">`
    + `${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}

function endedRow(x: Journey, nowMs: number, gate: GateName): string {
  const cells = [
    `<b>${vehicleLink(plateOf(x))}</b>`, escape(cargoOf(x)), beganText(x, gate, nowMs), lastedText(x, nowMs),
    flagged(endText(x, gate, nowMs), x.reason === "lost"), speedText(x), dwellText(x, nowMs),
    flagged(escape(permitText(x)), Object.keys(x.broken).length > 0), escape(violationsText(x)),
  ];
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}
