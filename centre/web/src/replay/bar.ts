/** The time bar of a replay: the kept day and the minutes around the shown moment, with violations and gaps. */

import { begin, colours, gradeColour, hatch, line, mark, pointIn, rect, text } from "../draw.ts";
import type { Ctx } from "../draw.ts";
import type { Grade } from "../api.ts";
import { clock, date, escape, moment } from "../format.ts";
import { rank } from "../order.ts";
import type { State } from "../state.ts";
import type { View } from "../views.ts";
import { t, wordOf } from "../words.ts";
import type { Gap } from "./answer.ts";
import type { Mark } from "./grades.ts";
import { LEAD_MS, SPEEDS } from "./player.ts";
import type { Player } from "./player.ts";
import { set, setKeyed } from "../written.ts";

const HEIGHT = 66;
const DAY_Y = 4; // the whole kept time
const DAY_H = 12;
const NEAR_Y = 30; // the minutes around the moment
const NEAR_H = 16;
const NEAR_MS = 5 * 60_000; // to either side
const PICK_PX = 8;

export interface BarActs {
  begin(): void;
  end(): void;
  seek(tMs: number): void;
  toggle(): void;
  choose(id: string): void;
  redraw(): void;
}

interface Scale {
  readonly from: number;
  readonly to: number;
  readonly x: (tMs: number) => number;
}

export class BarView implements View {
  readonly rate = "strip";
  private readonly el: HTMLElement;
  private readonly player: Player;
  private readonly acts: BarActs;
  private canvas: HTMLCanvasElement | null = null;

  constructor(el: HTMLElement, player: Player, acts: BarActs) {
    this.el = el;
    this.player = player;
    this.acts = acts;
  }

  mount(): void {
    const speeds = SPEEDS.map((x) => `<button type="button" data-speed="${x}" aria-pressed="false">×${x}</button>`).join("");
    this.el.innerHTML = '<div class="rctl"><b class="rword" data-testid="replay-word"></b>'
      + '<button type="button" data-act="play"></button><button type="button" data-act="back"></button>'
      + `<button type="button" data-act="on"></button><span class="rspeed" role="group">${speeds}</span>`
      + '<span class="rsays" role="status" data-testid="replay-says"></span>'
      + '<button type="button" class="prime" data-act="live"></button></div>'
      + '<div class="rbar"><canvas role="slider" tabindex="0"></canvas></div>';
    this.canvas = this.el.querySelector("canvas")!;
    this.el.addEventListener("click", (event) => this.click(event));
  }

  draw(live: State): void {
    const { el, player } = this;
    const root = document.documentElement;
    if (el.hidden === player.active) {
      el.hidden = !player.active;
      dispatchEvent(new Event("resize")); // the pictures have another height now
    }
    for (const key of ["replayAt", "replayPlaying"]) if (!player.active) delete root.dataset[key];
    if (!player.active || this.canvas === null) return;
    root.dataset["replayAt"] = String(Math.round(player.tMs));
    root.dataset["replayPlaying"] = String(player.playing);
    root.dataset["replayVehicles"] = String(player.fleet?.nLive ?? 0);
    this.words();
    this.paint(live);
  }

  private words(): void {
    const { el, player } = this;
    const button = (act: string): HTMLElement => el.querySelector(`[data-act="${act}"]`)!;
    set(el.querySelector(".rword")!, `${t("replayMark")} ${date(player.tMs)} ${clock(player.tMs, 1)}`);
    set(button("play"), player.playing ? `❚❚ ${t("replayPause")}` : `▶ ${t("replayPlay")}`);
    setKeyed(button("back"), "‹ 1 s", "←");
    setKeyed(button("on"), "1 s ›", "→");
    setKeyed(button("live"), t("replayLive"), "Esc");
    set(el.querySelector(".rsays")!, this.says());
    el.querySelector(".rspeed")!.setAttribute("aria-label", t("replaySpeed"));
    for (const each of el.querySelectorAll<HTMLElement>("[data-speed]")) {
      const on = String(Number(each.dataset["speed"]) === player.speed);
      if (each.getAttribute("aria-pressed") !== on) each.setAttribute("aria-pressed", on);
    }
  }

  /** What the shown moment is; first, where the time of the chosen violation is only known by its arrival. */
  private says(): string {
    const unset = this.player.live.chosen?.clock_unset === true ? `▲ ${t("clockUnset")} · ` : "";
    return unset + this.saysOfMoment();
  }

  private saysOfMoment(): string {
    const { player } = this;
    const nowMs = player.live.nowMs(); // also beside a replayed date a time without one is of today
    if (player.fault === "off") return `▲ ${t("replayOff")}`;
    if (player.fault !== "") return `▲ ${t("replayFailed", { r: escape(player.fault) })}`;
    const gap = player.gap();
    if (gap !== null) return `▨ ${gapWords(gap, nowMs)}`;
    if (player.bounds !== null && player.tMs <= player.bounds.fromMs) return t("replayBefore", { t: moment(player.bounds.fromMs, nowMs) });
    if (player.tMs < player.past.grades.unreadMs) return t("replayHighest", { t: moment(player.past.grades.unreadMs, nowMs) });
    if (player.loading) return t("replayLoading");
    const { bounds } = player;
    const kept = bounds === null
      ? ""
      : t("replayKept", {
        t: moment(bounds.fromMs, nowMs).slice(0, -3),
        h: Math.round(bounds.keepS / 3_600),
      });
    return `${t("replayListLive")}${kept}`;
  }

  private scales(): { day: Scale; near: Scale; w: number } {
    const { player } = this;
    const w = this.canvas!.parentElement!.clientWidth;
    const scale = (from: number, to: number): Scale => ({ from, to, x: (tMs) => 12 + ((tMs - from) / (to - from)) * (w - 24) });
    const to = player.edgeMs();
    const from = Math.min(player.bounds?.fromMs ?? to - NEAR_MS, player.tMs, to - 60_000);
    return { day: scale(from, to), near: scale(player.tMs - NEAR_MS, player.tMs + NEAR_MS), w };
  }

  private paint(live: State): void {
    const { player } = this;
    const canvas = this.canvas!;
    const { day, near, w } = this.scales();
    canvas.setAttribute("aria-label", t("replayBar"));
    canvas.setAttribute("aria-valuemin", String(Math.round(day.from)));
    canvas.setAttribute("aria-valuemax", String(Math.round(day.to)));
    canvas.setAttribute("aria-valuenow", String(Math.round(player.tMs)));
    canvas.setAttribute("aria-valuetext", moment(player.tMs, player.live.nowMs()));
    const ctx = begin(canvas, w, HEIGHT);
    if (ctx === null) return;
    const gaps = [...(player.bounds?.gaps ?? []), ...player.film.gaps];
    const low = player.bounds?.fromMs ?? -Infinity;
    for (const [scale, y, h] of [[day, DAY_Y, DAY_H], [near, NEAR_Y, NEAR_H]] as const) {
      const [x0, x1] = [Math.max(12, scale.x(low)), Math.min(w - 12, scale.x(player.edgeMs()))];
      rect(ctx, x0, y, Math.max(0, x1 - x0), h, colours().haz);
      for (const gap of gaps) {
        const [a, b] = [Math.max(x0, scale.x(gap.fromMs)), Math.min(w - 12, scale.x(gap.toMs))];
        if (b > a) hatch(ctx, a, gap.esn === null ? y : y + h / 2, Math.max(1, b - a), gap.esn === null ? h : h / 2);
      }
      ticks(ctx, scale, y + h, w);
      const columns = new Map<number, Grade>(); // of the day: a thousand marks of one pixel are one line
      for (const { startMs, endMs, atMs, grade } of this.marked(live, scale)) {
        const x = scale.x(atMs);
        if (h === NEAR_H) mark(ctx, grade, x, y + h / 2, 5, startMs <= player.tMs && atMs <= player.tMs && player.tMs < endMs);
        else if (!(rank(columns.get(Math.round(x)) ?? grade) > rank(grade))) columns.set(Math.round(x), grade);
      }
      for (const [x, grade] of columns) line(ctx, x, y, x, y + h, gradeColour(grade), 1.5);
      const x = scale.x(player.tMs);
      line(ctx, x, y - 3, x, y + h + 3, colours().sel, 2);
    }
  }

  private click(event: MouseEvent): void {
    const target = event.target as HTMLElement;
    const { act } = target.closest<HTMLElement>("[data-act]")?.dataset ?? {};
    const speed = target.closest<HTMLElement>("[data-speed]")?.dataset["speed"];
    if (speed !== undefined) this.player.speed = Number(speed);
    else if (act === "play") this.acts.toggle();
    else if (act === "live") this.acts.end();
    else if (act === "back" || act === "on") this.acts.seek(this.player.tMs + (act === "back" ? -1_000 : 1_000));
    else if (target === this.canvas) this.seekTo(event);
    this.acts.redraw();
  }

  /** A click on a mark goes to 30 s before its violation, and chooses it; another one to the time under it. */
  private seekTo(event: MouseEvent): void {
    const { day, near } = this.scales();
    const [x, y] = pointIn(this.canvas!, event);
    const scale = y < (DAY_Y + DAY_H + NEAR_Y) / 2 ? day : near;
    const live = this.player.live;
    const hits = this.marked(live, scale)
      .map((hit) => ({ hit, far: Math.abs(scale.x(hit.atMs) - x) }))
      .filter(({ far }) => far < (scale === near ? PICK_PX : 3))
      .sort((a, b) => a.far - b.far);
    const hit = hits[0]?.hit;
    if (hit !== undefined) {
      this.acts.choose(hit.id);
      this.player.open(hit.startMs - LEAD_MS, hit.id);
      this.acts.seek(this.player.tMs);
    } else this.acts.seek(scale.from + ((x - 12) / (this.canvas!.clientWidth - 24)) * (scale.to - scale.from));
  }

  /** Where alarms began and rose within a scale, each with the grade of that moment; of the chosen episode all grades. */
  private marked(live: State, scale: Scale): Mark[] {
    return this.player.past.grades.marks(live).filter(({ atMs }) => atMs >= scale.from && atMs <= scale.to);
  }
}

function ticks(ctx: Ctx, scale: Scale, y: number, w: number): void {
  const spanMs = scale.to - scale.from;
  const step = [10_000, 60_000, 300_000, 900_000, 3_600_000, 7_200_000, 14_400_000].find((x) => spanMs / x <= w / 80) ?? 86_400_000;
  for (let at = Math.ceil(scale.from / step) * step; at <= scale.to; at += step) {
    const x = scale.x(at);
    line(ctx, x, y, x, y + 3, colours().line2);
    if (x <= 34 || x >= w - 34) continue;
    text(ctx, x, y + 13, step < 60_000 ? clock(at) : clock(at).slice(0, 5), { align: "center", colour: colours().tx2 });
  }
}

function gapWords(gap: Gap, nowMs: number): string {
  const why = escape(wordOf("gap", gap.reason));
  const times = `${moment(gap.fromMs, nowMs)}–${moment(gap.toMs, nowMs)}`;
  return `${gap.esn === null ? t("replayGapNone", { r: why }) : t("replayGapOne", { e: escape(gap.esn), r: why })} · ${times}`;
}
