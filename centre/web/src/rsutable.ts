/** The table of RSUs: exceptions first, then the healthy, then those never seen; a row opens to its counters by reason. */

import type { Gateway, Rsu } from "./api.ts";
import { age, clock, escape, ms, signed } from "./format.ts";
import { stateSvg } from "./icons.ts";
import { set } from "./list.ts";
import { hasFault } from "./overview.ts";
import type { State } from "./state.ts";
import { name, t } from "./words.ts";

const CLOCK_MS_MAX = 20;
const P99_MS_MAX = 100;

export class RsuTable {
  private readonly open = new Set<string>();
  private readonly section: HTMLElement;
  private readonly onChange: () => void;

  constructor(section: HTMLElement, onChange: () => void) {
    this.section = section;
    this.onChange = onChange;
    const plot = section.querySelector<HTMLElement>(".plot")!;
    plot.addEventListener("click", (event) => this.toggle(event));
    plot.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.toggle(event);
    });
  }

  private toggle(event: Event): void {
    const id = (event.target as HTMLElement).closest<HTMLElement>("tr.main")?.dataset["id"];
    if (id === undefined) return;
    if (!this.open.delete(id)) this.open.add(id);
    this.onChange();
    this.section.querySelector<HTMLElement>(`tr[data-id="${CSS.escape(id)}"]`)?.focus();
  }

  render(state: State): void {
    const list = state.rsuOrder.map((esn) => state.rsus.get(esn)!);
    const count = (kind: string): string => (state.link === "loading" ? "—" : String(list.filter((x) => x.state === kind).length));
    const end = state.link === "disconnected" ? `${t("frozen")} ${clock(state.viewMs())}` : `${t("online")} ${count("online")} · ${t("offline")} ${count("offline")} · ${t("never")} ${count("never")}`;
    set(this.section.querySelector("h2")!, `${t("rsuHealth")} <span class="end">${end}</span>`);
    const plot = this.section.querySelector<HTMLElement>(".plot")!;
    if (state.link === "loading") {
      set(plot, `<div class="blank dim">${t("waitBeat")}</div>`);
      return;
    }
    const order = (x: Rsu): number => (x.state === "offline" ? 0 : x.state === "never" ? 3 : hasFault(x) ? 1 : 2);
    const chosen = state.chosen?.esn;
    const rows = [...list].sort((a, b) => order(a) - order(b)).map((x) => this.rsuRow(x, x.esn === chosen, state));
    const gates = state.gateways.map((x) => this.gatewayRow(x, state));
    const head = `<tr><th scope="col">${t("cRsuState")}</th><th scope="col">${t("cRsu")}</th><th scope="col" class="wide-cell">${t("cStretch")}</th><th scope="col">${t("cClock")}</th><th scope="col">${t("cOutbox")}</th><th scope="col">${t("cP99")}</th><th scope="col" class="wide-cell">${t("cBeat")}</th><th scope="col" class="wide-cell">${t("cSensors")}</th></tr>`;
    const focus = (document.activeElement as HTMLElement | null)?.closest<HTMLElement>("tr.main")?.dataset["id"];
    set(plot, `<table><thead>${head}</thead><tbody>${gates.join("")}${rows.join("")}</tbody></table>`);
    if (focus !== undefined) plot.querySelector<HTMLElement>(`tr[data-id="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  }

  private rsuRow(x: Rsu, now: boolean, state: State): string {
    const on = x.state === "online";
    const fault = on && hasFault(x);
    const stretch = x.stretch_m === null ? "—" : `${(x.stretch_m[0] / 1_000).toFixed(2)}–${(x.stretch_m[1] / 1_000).toFixed(2)}`;
    const beat = x.state === "never" ? "—" : on ? cell(beatAge(x, state).toFixed(1), x.stale) : cell(age(beatAge(x, state)), true);
    const states = Object.entries(x.sensors);
    const sensors = !on || states.length === 0 ? "—" : states.map(([id, s]) => `<span title="${escape(`${id}: ${name(s)}`)}"${s === "online" ? "" : ' class="bad"'}>${s === "online" ? "●" : s === "silent" ? "▲✕" : "○"}</span>`).join(" ");
    const clockMs = x.clock_offset_ms;
    const p99 = x.latency.p99_ms;
    const classes = `main${x.state === "offline" || fault ? " flag" : ""}${now ? " now" : ""}`;
    const row = `<tr class="${classes}" data-id="${escape(x.esn)}" data-testid="rsu" data-state="${x.state}" tabindex="0" aria-expanded="${this.open.has(x.esn)}">
      <td>${stateSvg(x.state, fault)}${on && x.stale ? t("staleBeat") : name(x.state)}</td><td>${escape(x.esn)}</td><td class="wide-cell">${stretch}</td>
      <td>${on && clockMs !== null ? cell(signed(clockMs), Math.abs(clockMs) > CLOCK_MS_MAX) : "—"}</td>
      <td>${x.state === "never" ? "—" : on ? cell(String(x.outbox_depth ?? "—"), (x.outbox_depth ?? 0) > 50) : "?"}</td>
      <td>${on && p99 !== null ? cell(p99.toFixed(0), p99 > P99_MS_MAX) : "—"}</td><td class="wide-cell">${beat}</td><td class="wide-cell">${sensors}</td></tr>`;
    if (!this.open.has(x.esn)) return row;
    const facts: [string, string][] = [
      [t("cBeat"), x.beat_ns === null ? "—" : clock(ms(x.beat_ns))], [t("stored"), String(x.stored)], [t("missing"), String(x.missing)],
      [t("versionW"), x.version ?? "—"], [t("mapW"), x.map ?? "—"], [t("rulesW"), x.config ?? "—"],
      ...states.map(([id, s]): [string, string] => [id, name(s)]),
    ];
    return row + moreRow(facts, x.counts);
  }

  private gatewayRow(x: Gateway, state: State): string {
    const on = x.state === "online";
    const beat = x.state === "never" ? "—" : on ? cell(beatAge(x, state).toFixed(1), x.stale) : cell(age(beatAge(x, state)), true);
    const row = `<tr class="main${x.state === "offline" ? " flag" : ""}" data-id="${escape(x.id)}" tabindex="0" aria-expanded="${this.open.has(x.id)}">
      <td>${stateSvg(x.state, on && x.stale)}${name(x.state)}</td><td>${escape(x.id)}</td><td class="wide-cell">${t("gateway")}</td>
      <td>${on && x.clock_offset_ms !== null ? signed(x.clock_offset_ms) : "—"}</td><td>—</td><td>—</td><td class="wide-cell">${beat}</td><td class="wide-cell">—</td></tr>`;
    return this.open.has(x.id) ? row + moreRow([[t("versionW"), x.version ?? "—"]], x.counts) : row;
  }
}

function beatAge(x: Rsu | Gateway, state: State): number {
  return Math.max(0, (state.viewMs() - ms(x.beat_ns)) / 1_000);
}

function cell(value: string, bad: boolean): string {
  return bad ? `<span class="bad">▲ ${value}</span>` : value;
}

function moreRow(facts: readonly [string, string][], counts: Readonly<Record<string, number>>): string {
  const pair = ([key, value]: readonly [string, string | number]): string => `<span>${escape(key)} <b>${escape(String(value))}</b></span>`;
  const counted = Object.entries(counts).filter(([, n]) => n !== 0).sort(([a], [b]) => a.localeCompare(b));
  return `<tr><td class="more" colspan="8">${facts.map(pair).join("")}<br>${counted.length === 0 ? t("noCounters") : counted.map(pair).join("")}</td></tr>`;
}
