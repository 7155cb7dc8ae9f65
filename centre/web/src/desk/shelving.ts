/** Puts alarms on a shelf: of a plate, an RSU, a rule, a stretch of road, until a time and for a reason. */

import { station } from "../format.ts";
import { plateOf } from "../row.ts";
import { ruleName } from "../rules.ts";
import { send } from "../send.ts";
import type { State } from "../state.ts";
import { t } from "../words.ts";
import { shelfHindrance } from "./actsbar.ts";
import type { Answer, Dialog, Question } from "./dialog.ts";
import type { Shelf } from "./model.ts";
import { attempt } from "./notice.ts";
import type { Notice } from "./notice.ts";

const HOURS = [1, 2, 4, 8, 12, 24]; // a shelf ends by itself, at the latest after a day
const REACH_M = 250; // of the stretch on both sides of the chosen alarm

/** What of the chosen alarm can be shelved, with the members of `POST /api/shelves` for it. */
export interface Scope {
  readonly key: string;
  readonly label: string;
  readonly body: Readonly<Record<string, string | number>>;
}

/** The scopes that an alarm offers. Pure. */
export function scopesOf(state: State, id: string | null): Scope[] {
  const [episode, loss] = id === null ? [undefined, undefined] : [state.episodes.get(id), state.desk.losses.get(id)];
  if (loss !== undefined) {
    return loss.kind === "rsu" ? [{ key: "esn", label: `${t("shelfRsu")} ${loss.part}`, body: { esn: loss.part } }] : [];
  }
  if (episode === undefined) return [];
  const found: Scope[] = [];
  const plate = episode.vehicle?.plate;
  if (plate) found.push({ key: "plate", label: `${t("shelfPlate")} ${plateOf(episode)}`, body: { plate } });
  found.push({ key: "rule", label: `${t("shelfRule")} ${ruleName(episode.rule)}`, body: { rule: episode.rule } });
  found.push({ key: "esn", label: `${t("shelfRsu")} ${episode.esn}`, body: { esn: episode.esn } });
  if (episode.s_m !== null) {
    const [a, b] = [Math.round(episode.s_m - REACH_M), Math.round(episode.s_m + REACH_M)];
    found.push({ key: "stretch", label: t("shelfStretch", { a: station(a), b: station(b) }), body: { from_m: a, to_m: b } });
  }
  return found;
}

export class Shelving {
  private readonly state: State;
  private readonly dialog: Dialog;
  private readonly notice: Notice;
  private readonly changed: () => void;

  constructor(state: State, dialog: Dialog, notice: Notice, changed: () => void) {
    this.state = state;
    this.dialog = dialog;
    this.notice = notice;
    this.changed = changed;
  }

  /** Shelve what the chosen alarm is one of. */
  async add(id: string | null): Promise<void> {
    const why = shelfHindrance(this.state);
    const scopes = scopesOf(this.state, id);
    if (why !== null || scopes.length === 0) return this.notice.say(t(why ?? "noRow"), true);
    const question: Question = {
      title: t("shelfAdd"), about: "", hours: HOURS, text: { label: t("askWhy"), required: true },
      scope: scopes.map((x, i) => ({ key: x.key, label: x.label, on: i === 0 || (x.key === "rule" && scopes[0]!.key === "plate") })),
    };
    const answer = await this.dialog.ask(question);
    if (answer !== null) await this.send(scopes, answer);
  }

  private async send(scopes: readonly Scope[], answer: Answer): Promise<void> {
    const body: Record<string, string | number | null> = {
      until_ns: `${Math.round(this.state.nowMs() + answer.hours * 3_600_000)}000000`, reason: answer.text,
    };
    for (const x of scopes) if (answer.scope.includes(x.key)) Object.assign(body, x.body);
    await this.tryTo(() => send<Shelf>("POST", "/api/shelves", body));
  }

  /** End a shelf: what it held and is still open comes back as new. */
  async end(n: number): Promise<void> {
    const why = shelfHindrance(this.state);
    if (why !== null) return this.notice.say(t(why), true);
    await this.tryTo(() => send<Shelf>("DELETE", `/api/shelves/${n}`));
  }

  private async tryTo(act: () => Promise<Shelf>): Promise<void> {
    await attempt(this.notice, async () => this.state.desk.putShelf(await act()));
    this.changed();
  }
}

/** What a shelf holds, in words. */
export function shelfWords(x: Shelf): string {
  const parts = [
    x.plate === null ? "" : x.plate, x.terminal ?? "", x.rule === null ? "" : ruleName(x.rule), x.esn ?? "",
    x.from_m === null || x.to_m === null ? "" : t("shelfStretch", { a: station(x.from_m), b: station(x.to_m) }),
  ];
  return parts.filter((part) => part !== "").join(" · ");
}
