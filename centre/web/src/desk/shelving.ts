/** Puts alarms on a shelf: of a plate, an RSU, a rule, a stretch of road, until a time and for a reason. */

import { station } from "../format.ts";
import { ruleName, RULES } from "../rules.ts";
import { send } from "../send.ts";
import type { State } from "../state.ts";
import { t } from "../words.ts";
import { shelfHindrance } from "./actsbar.ts";
import { lossName } from "./deskrow.ts";
import type { Answer, Dialog, Question } from "./dialog.ts";
import type { LossKind, Shelf } from "./model.ts";
import { attempt } from "./notice.ts";
import type { Notice } from "./notice.ts";
import { scopesOf } from "./scopes.ts";
import type { Scope } from "./scopes.ts";

const HOURS = [1, 2, 4, 8, 12, 24]; // a shelf ends by itself, at the latest after a day
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
    const why = id === null ? "noRow" : shelfHindrance(this.state, id);
    if (why !== null) return this.notice.say(t(why), true);
    const scopes = scopesOf(this.state, id);
    const question: Question = {
      title: t("shelfAdd"), about: "", hours: HOURS, text: { label: t("askWhy"), required: true },
      scope: scopes.map(({ key, label, on }) => ({ key, label, on })),
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
    x.plate === null ? "" : x.plate, x.terminal ?? "", x.rule === null ? "" : ruleOrLoss(x.rule), x.esn ?? "",
    x.from_m === null || x.to_m === null ? "" : t("shelfStretch", { a: station(x.from_m), b: station(x.to_m) }),
  ];
  return parts.filter((part) => part !== "").join(" · ");
}

function ruleOrLoss(rule: string): string {
  return RULES.has(rule) ? ruleName(rule) : lossName({ kind: rule as LossKind });
}
