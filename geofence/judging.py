"""From verdicts to versions: the rules' verdicts open, revise and close episodes."""

from collections.abc import Callable, Sequence

import numpy as np

from core.arrays import I64
from geofence.context import Context
from geofence.describe import Describer
from geofence.episode_book import EpisodeBook, Judged, same_vehicle
from geofence.episodes import Facts, OpenEpisode
from geofence.evidence import Evidence, Values
from geofence.resume import Resume
from geofence.rules.base import Rule, Verdict
from geofence.state import JUDGED, STANDING, State
from geofence.violation import GRADES, Stamps
from geofence.writing import probabilities

NO_LIMIT = (np.nan, None)
SAME_NS = 1_000_000_000  # two tracks of one vehicle are seen within this time of each other


class Judging:
    """Applies verdicts to the episodes of one monitor."""

    def __init__(
        self, state: State, book: EpisodeBook, evidence: Evidence, describer: Describer, resume: Resume,
        count: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._state, self._book, self._evidence = state, book, evidence
        self._describer, self._resume, self._count = describer, resume, count

    def apply_grades(
        self, rules: Sequence[Rule], grade: I64, k: int, ctx: Context, values: Values
    ) -> list[Judged]:
        """Apply the measured rules' grades to the k-th owned track of an observation; return the versions.

        grade : (rules,) the grades that hold now, -1: not judged
        """
        i, out = int(ctx.mine[k]), []
        row, may_open, stamps = int(ctx.rows[i]), bool(ctx.may_open[i]), stamps_of_observation(ctx, i)
        for column, rule in enumerate(rules):
            is_open = self._state.open[row, self._state.rules[rule.name]]
            if grade[column] < 0 or not (is_open or (grade[column] > 0 and may_open)):
                continue
            start_ns = 0 if is_open else rule.start_ns(ctx, i)
            if start_ns is None:
                start_ns = self._evidence.start_ns(rule.name, row, stamps.measured_ns)
            clear = self._evidence.is_clear(rule.name, row)
            verdict = Verdict(i, int(grade[column]), start_ns, opens=True, clear=clear)
            out.append(self.apply(rule, verdict, ctx, stamps, values))
        return [judged for judged in out if judged is not None]

    def apply(
        self, rule: Rule, verdict: Verdict, ctx: Context, stamps: Stamps, values: Values | None = None
    ) -> Judged | None:
        """Open, revise or close the episode of a verdict; return the version, None where there is none."""
        track, clear = int(ctx.tracks.track[verdict.i]), verdict.clear
        episode = self._book.find(track, rule.name, verdict.scope)
        if episode is None:
            begun = self._begin(rule, verdict, ctx, stamps, values)
            if not isinstance(begun, OpenEpisode):
                return begun
            episode, clear = begun, False
        if clear:
            return self._book.close(episode, stamps, facts=self._facts(rule, verdict, ctx, values))
        if rule.updates and (
            GRADES.index(episode.grade) < verdict.grade
            or self._book.is_due(episode, stamps.measured_ns)
            or (rule.decided_by == "observation" and self._has_other_vehicle(episode, verdict.i, ctx))
        ):
            facts = self._facts(rule, verdict, ctx, values)
            return self._book.revise(
                episode, "update", GRADES[verdict.grade], facts, stamps, verdict.measures
            )
        episode.seen_ns = stamps.measured_ns
        return None

    def _begin(
        self, rule: Rule, verdict: Verdict, ctx: Context, stamps: Stamps, values: Values | None
    ) -> Judged | OpenEpisode | None:
        """Open an episode if one may; return its version, or the episode that waited since a restart."""
        if not verdict.opens:
            return None
        track, observes = int(ctx.tracks.track[verdict.i]), rule.decided_by == "observation"
        if (observes and self._is_reported(rule, verdict, ctx)) or self._is_explained(rule, track):
            return None
        facts, resumed = self._facts(rule, verdict, ctx, values), None
        if observes:
            resumed = self._resume.pop_at_place(rule.name, verdict.scope, facts, stamps.measured_ns)
        self._evidence.restart_clear(rule.name, int(ctx.rows[verdict.i]))
        if resumed is not None:
            self._book.attach(track, resumed)
            return resumed
        if observes:
            self._count(f"opened.{rule.violation}")
        return self._book.open(
            track, type(rule), verdict.scope, verdict.grade, verdict.start_ns, facts, stamps, verdict.measures
        )

    def _facts(self, rule: Rule, verdict: Verdict, ctx: Context, values: Values | None) -> Facts:
        """Return the facts for a version of a track under a rule."""
        i, p_violation = verdict.i, verdict.p_violation
        if p_violation is None and values is not None and rule.name in self._state.measured:
            (p_violation,) = probabilities(self._state, rule.name, values.found.columns[i : i + 1])
        elif p_violation is None:
            p_violation = rule.p_violation(ctx, i)
        limit = rule.limit(ctx, i) if rule.shows_limit else NO_LIMIT
        return self._describer.facts(i, ctx.tracks, ctx.located, limit, p_violation)

    def _has_other_vehicle(self, episode: OpenEpisode, i: int, ctx: Context) -> bool:
        return not same_vehicle(episode.vehicle, self._describer.vehicle(i, ctx.tracks, ctx.located))

    def _is_explained(self, rule: Rule, track: int) -> bool:
        """Return whether an open episode of the track is the cause of this one: one cause is one case."""
        return bool(rule.explained_by) and any(
            episode.rule_name in rule.explained_by for episode in self._book.of(track)
        )

    def _is_reported(self, rule: Rule, verdict: Verdict, ctx: Context) -> bool:
        """Return whether another track of this very vehicle seems to have the same episode open.

        It is at the same place, and one of both is identified, the other is not. Until fusion merges a radar
        track with a terminal's, their vehicle must not be reported twice.
        """
        i, key = verdict.i, (rule.name, verdict.scope)
        for episode in self._book.all():
            unlike = (episode.rule_name, episode.scope) != key
            if unlike or (episode.vehicle is None) == (ctx.tracks.terminal[i] < 0):
                continue
            place = self._state.newest_place(episode.track, int(ctx.tracks.stamp_ns[i]) - SAME_NS)
            if place is not None and np.hypot(*(ctx.tracks.x[i, :2] - place)) <= rule.same_m:
                return True
        return False

    def close_frozen(self, ctx: Context, rules: Sequence[Rule], patience_ns: int) -> list[Judged]:
        """Close episodes that could not be judged for longer than patience_ns, as `lost`.

        That of a track that is known waits as long as a terminal may be silent.
        """
        if not self._book.all():
            return []
        state, at, stamps = self._state, ctx.rows[ctx.mine], stamps_of_tick(ctx.now_ns)
        out, silent_ns = [], max(patience_ns, int(ctx.settings.dark_report_s * 1e9))
        columns = np.array([state.rules[rule.name] for rule in rules])
        for k, place in np.argwhere(state.open[at][:, columns]).tolist():
            rule, i = rules[place], int(ctx.mine[k])
            for episode in self._book.of(int(ctx.tracks.track[i])):
                if episode.rule_name != rule.name:
                    continue
                if rule.still_holds(ctx, i):
                    episode.seen_ns = ctx.now_ns
                graded = state.graded.get(rule.name)
                judged_ns = 0 if graded is None else int(state.evidence_ns[at[k], graded, JUDGED])
                if ctx.now_ns - max(episode.seen_ns, judged_ns) > silent_ns:
                    out.append(self._book.close(episode, stamps, "lost"))
                    if rule.counts_standing:  # else what lasts would have the start, and the id, of this one
                        state.stamps[at[k], STANDING] = 0
        alive = set(ctx.tracks.track.tolist())
        return out + [
            self._book.close(episode, stamps, "lost")
            for episode in self._book.in_order()
            if episode.track not in alive and ctx.now_ns - episode.seen_ns > patience_ns
        ]


def stamps_of_observation(ctx: Context, i: int) -> Stamps:
    """Return the stamps of a version that an observation of track i decides."""
    return Stamps(measured_ns=int(ctx.tracks.stamp_ns[i]), arrived_ns=int(ctx.tracks.arrived_ns[i]))


def stamps_of_tick(t_ns: int) -> Stamps:
    """Return the stamps of a version that tick `t_ns` decides."""
    return Stamps(measured_ns=t_ns, arrived_ns=t_ns, by="tick")
