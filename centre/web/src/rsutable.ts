/** The table of RSUs: exceptions first, then the healthy, then those never seen; a row opens to its counters by reason. */

import type { Gateway, Rsu } from "./api.ts";
import { clockFacts, wrongClocks } from "./clocks.ts";
import { age, escape, moment, ms, signed } from "./format.ts";
import { stateSvg } from "./icons.ts";
import { cameraUrl } from "./evidence/state.ts";
import { Hold } from "./hold.ts";
import { poseFacts } from "./poses.ts";
import { rsuLink } from "./search/tables.ts";
import { hasFault, isLost, isSlow } from "./supervision.ts";
import type { State } from "./state.ts";
import type { View } from "./views.ts";
import { name, reason, t } from "./words.ts";
import { set } from "./written.ts";

const CLOCK_MS_MAX = 20;

interface Row {
  main: HTMLTableRowElement;
  more: HTMLTableRowElement;
}

function sensorSign(state: string): string {
  if (state === "online") return "●";
  return state === "silent" || state === "port_closed" || state === "clock" ? "▲✕" : "○";
}

export class RsuTable implements View {
  readonly rate = "text";
  private readonly open = new Set<string>();
  private readonly rows = new Map<string, Row>();
  private order = "";
  private readonly hold = new Hold();
  private readonly section: HTMLElement;
  private readonly plot: HTMLElement;
  private readonly table: HTMLTableElement;
  private readonly onChange: () => void;

  constructor(section: HTMLElement, onChange: () => void) {
    this.section = section;
    this.onChange = onChange;
    this.plot = section.querySelector<HTMLElement>(".plot")!;
    this.table = document.createElement("table");
    this.table.setAttribute("role", "treegrid"); // its rows open to more
    this.table.append(document.createElement("thead"), document.createElement("tbody"));
  }

  mount(): void {
    const { section } = this;
    section.addEventListener("pointerenter", () => this.hold.begin(performance.now()));
    section.addEventListener("pointermove", () => this.hold.stir(performance.now()));
    section.addEventListener("pointerleave", () => this.hold.end());
    this.plot.addEventListener("click", (event) => this.toggle(event));
    this.plot.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      if (!(event.target as HTMLElement).matches("a")) event.preventDefault();
      this.toggle(event);
    });
  }

  private toggle(event: Event): void {
    if ((event.target as HTMLElement).closest("a") !== null) return; // to the RSU's page
    const id = (event.target as HTMLElement).closest<HTMLElement>("tr.main")?.dataset["id"];
    if (id === undefined) return;
    if (!this.open.delete(id)) this.open.add(id);
    this.onChange();
  }

  draw(state: State): void {
    const list = state.rsuOrder.map((esn) => state.rsus.get(esn)!);
    const unknown = state.connection === "loading" || list.length === 0;
    const count = (kind: string): string =>
      (unknown ? "—" : String(list.filter((x) => (isLost(x) ? "offline" : x.state) === kind).length));
    const end = state.connection === "disconnected"
      ? `${t("frozen")} ${moment(state.viewMs(), state.nowMs())}`
      : `${t("online")} ${count("online")} · ${t("offline")} ${count("offline")} · ${t("never")} ${count("never")}`;
    set(this.section.querySelector("h2")!, `${t("rsuHealth")} <span class="end">${end}</span>`);
    if (state.connection === "loading") {
      set(this.plot, `<div class="blank dim">${t("waitBeat")}</div>`);
      return;
    }
    if (this.table.parentElement !== this.plot) {
      set(this.plot, "");
      this.plot.append(this.table);
    }
    const head =
      `<tr><th scope="col">${t("cRsuState")}</th><th scope="col">${t("cRsu")}</th><th scope="col" class="wide-cell">${t("cStretch")}</th>`
        + `<th scope="col">${t("cClock")}</th><th scope="col">${t("cOutbox")}</th><th scope="col">${t("cP99")}</th>`
        + `<th scope="col" class="wide-cell">${t("cBeat")}</th><th scope="col" class="wide-cell">${t("cSensors")}</th></tr>`;
    set(this.table.tHead!, head);
    this.table.setAttribute("aria-label", t("rsuHealth"));
    for (const x of state.gateways) this.gatewayRow(x, state);
    for (const x of list) this.rsuRow(x, x.esn === state.chosen?.esn, state);
    const place = (x: Rsu): number => (isLost(x) ? 0 : x.state === "never" ? 3 : hasFault(x) ? 1 : 2);
    const ids = [...state.gateways.map((x) => x.id), ...[...list].sort((a, b) => place(a) - place(b)).map((x) => x.esn)];
    this.place(ids);
  }

  /** Put the rows in order; rows are reused, so that none disappears under a click, and do not move under the pointer. */
  private place(ids: readonly string[]): void {
    const order = ids.join();
    if (order === this.order || (this.hold.holds(performance.now()) && this.order.length === order.length)) return;
    this.order = order;
    const focus = document.activeElement;
    this.table.tBodies[0]!.replaceChildren(...ids.flatMap((id) => [this.rows.get(id)!.main, this.rows.get(id)!.more]));
    if (focus instanceof HTMLElement && this.table.contains(focus)) focus.focus({ preventScroll: true });
  }

  private write(id: string, kind: string, classes: string, cells: string, more: () => string): void {
    let row = this.rows.get(id);
    if (row === undefined) {
      row = { main: document.createElement("tr"), more: document.createElement("tr") };
      row.main.tabIndex = 0;
      row.main.ariaLevel = "1";
      row.more.ariaLevel = "2";
      row.main.dataset["id"] = id;
      row.main.dataset["testid"] = "rsu";
      this.rows.set(id, row);
    }
    const isOpen = this.open.has(id);
    if (row.main.className !== classes) row.main.className = classes;
    row.main.dataset["state"] = kind;
    row.main.setAttribute("aria-expanded", String(isOpen));
    set(row.main, cells);
    row.more.hidden = !isOpen;
    set(row.more, isOpen ? more() : "");
  }

  private rsuRow(x: Rsu, now: boolean, state: State): void {
    const on = x.state === "online";
    const fault = on && hasFault(x);
    const stretch = x.stretch_m === null ? "—" : `${(x.stretch_m[0] / 1_000).toFixed(2)}–${(x.stretch_m[1] / 1_000).toFixed(2)}`;
    const beat = x.state === "never" ? "—" : on ? cell(beatAge(x, state).toFixed(1), x.stale) : cell(age(beatAge(x, state)), true);
    const states = Object.entries(x.sensors);
    const sensors = !on || states.length === 0
      ? "—"
      : states.map(
        ([id, s]) => `<span title="${escape(`${id}: ${name(s)}`)}"${s === "online" ? "" : ' class="bad"'}>${sensorSign(s)}</span>`
      ).join(" ");
    const clockMs = x.clock_offset_ms;
    const wrong = on ? wrongClocks(x) : 0;
    const p99 = x.latency.p99_ms;
    const cells =
      `<td>${stateSvg(x.state, fault)}${on && x.stale ? t("staleBeat") : name(x.state)}</td>`
      + `<td>${rsuLink(x.esn)}${cameraLink(state, x.esn)}</td>`
      + `<td class="wide-cell">${stretch}</td>
      <td>${on && clockMs !== null ? cell(signed(clockMs), Math.abs(clockMs) > CLOCK_MS_MAX) : "—"}${
        wrong === 0 ? "" : ` <span class="bad" title="${escape(t("clockWrong"))}">▲ ${wrong}</span>`
      }</td>
      <td>${x.state === "never" ? "—" : on ? cell(String(x.outbox_depth ?? "—"), (x.outbox_depth ?? 0) > 50) : "?"}</td>
      <td>${
        on && p99 !== null ? cell(p99.toFixed(0), isSlow(x)) : "—"
      }</td><td class="wide-cell">${beat}</td><td class="wide-cell">${sensors}</td>`;
    this.write(x.esn, x.state, `main${x.state === "offline" || fault ? " flag" : ""}${now ? " now" : ""}`, cells, () => moreCells([
      [t("cBeat"), x.beat_ns === null ? "—" : moment(ms(x.beat_ns), state.nowMs())],
      ["p99 n", `${x.latency.n}${x.latency.deferred > 0 ? ` · ${t("deferredN", { n: x.latency.deferred })}` : ""}`],
      [t("stored"), String(x.stored)], [t("missing"), String(x.missing)], ...missingFacts(x, state),
      [t("versionW"), x.version ?? "—"], [t("mapW"), x.map ?? "—"], [t("rulesW"), x.config ?? "—"],
      ...clockFacts(x), ...x.degraded.map((why): [string, string] => ["▲", why === "twin" ? `${reason(why)} ×${x.twin_n}` : reason(why)]),
      ...strangers("strangeTerminal", x.strange_terminals), ...strangers("strangeRadar", x.strange_radars),
      ...states.map(([id, s]): [string, string] => [id, name(s)]), ...poseFacts(x, state.nowMs()),
    ], x.counts));
  }

  private gatewayRow(x: Gateway, state: State): void {
    const on = x.state === "online";
    const beat = x.state === "never" ? "—" : on ? cell(beatAge(x, state).toFixed(1), x.stale) : cell(age(beatAge(x, state)), true);
    const fault = on && (x.stale || x.degraded.length > 0);
    const cells =
      `<td>${stateSvg(x.state, fault)}${name(x.state)}</td><td>${escape(x.id)}</td><td class="wide-cell">${t("gateway")}</td>
      <td>${
        on && x.clock_offset_ms !== null ? signed(x.clock_offset_ms) : "—"
      }</td><td>—</td><td>—</td><td class="wide-cell">${beat}</td><td class="wide-cell">—</td>`;
    this.write(
      x.id, x.state, `main${x.state === "offline" ? " flag" : ""}`, cells, () => moreCells(
        [
          [t("versionW"), x.version ?? "—"], ...x.degraded.map((why): [string, string] => ["▲", reason(why)]),
          ...strangers("strangeTerminal", x.strange_terminals),
        ], x.counts,
      ),
    );
  }
}

/** Under whose name somebody else sent, and from where. */
function strangers(word: "strangeTerminal" | "strangeRadar", found: Readonly<Record<string, string>> = {}): [string, string][] {
  return Object.entries(found).map(([id, address]): [string, string] => [`▲ ${t(word)}`, `${id} ← ${address}`]);
}

/** The link to an RSU's camera, where the site names one; its time is that of the minute: the link stays under a click. */
function cameraLink(state: State, esn: string): string {
  const camera = state.site?.body.rsus.find((x) => x.esn === esn)?.camera;
  const minute = Math.floor(state.viewMs() / 60_000) * 60;
  const url = cameraUrl(camera, { esn, stamp_s: String(minute), plate: "" });
  if (url === null) return "";
  const words = `title="${t("camera")}" aria-label="${t("camera")} ${escape(esn)}"`;
  return ` <a href="${escape(url)}" target="_blank" rel="noopener noreferrer" ${words}>◉</a>`;
}

/** What became of the violations that the centre lacks: which it asks for, and which no file holds any more. */
export function missingFacts(x: Rsu, state: State): [string, string][] {
  const found: [string, string][] = [];
  if ((x.asked ?? 0) > 0) found.push([t("askedN"), String(x.asked)]);
  if ((x.recovered ?? 0) > 0) found.push([t("recoveredN"), String(x.recovered)]);
  if ((x.lost ?? 0) > 0) found.push([`▲ ${t("itemsLost")}`, `${x.lost} · ${t("since")} ${moment(ms(x.lost_since_ns), state.nowMs())}`]);
  return found;
}

function beatAge(x: Rsu | Gateway, state: State): number {
  return Math.max(0, (state.viewMs() - ms(x.beat_ns)) / 1_000);
}

function cell(value: string, bad: boolean): string {
  return bad ? `<span class="bad">▲ ${value}</span>` : value;
}

function moreCells(facts: readonly [string, string][], counts: Readonly<Record<string, number>>): string {
  const pair = ([key, value]: readonly [string, string | number]): string => `<span>${escape(key)} <b>${escape(String(value))}</b></span>`;
  const counted = Object.entries(counts).filter(([, n]) => n !== 0).sort(([a], [b]) => a.localeCompare(b));
  return `<td class="more" colspan="8">${facts.map(pair).join("")}<br><b>${t("counters")}</b> `
    + `${counted.length === 0 ? t("noCounters") : counted.map(pair).join("")}</td>`;
}
