"""Restarts in the middle of a handover: one owner at each tick, one identity, one episode.

An RSU that is killed loses all but its disk: the open episodes of its outbox, as `Start` brings them back.
What it sent last is lost with it, and so is what arrives while it is down.
"""

from collections import defaultdict

import pytest

from centre.commands import ReceivedJourney
from centre.reader import JourneyFilter
from edge.wire import FLAG_OWNED, decode_handover, decode_handover_ack, decode_snapshot, records_of
from geofence.journeys.journey import decoded
from geofence.violation import decode
from roadside.inputs import HandedOver, HandoverAnswered, Start
from roadside.outputs import (
    HandoverOffer,
    JourneyReleased,
    OfferAck,
    Raised,
    Released,
    Snapshot,
    Travelled,
    Withheld,
)
from roadside.pipeline import Pipeline
from tests.support.centre_database import Centre
from tests.support.roadside_drive import NS, T0_NS, between, drive, leave

MS = 1_000_000
EPOCH = T0_NS // NS
WAY_NS = 30 * MS  # of a message
DOWN_NS = 1_500 * MS  # from the kill to the next start
SECONDS = 14.5


class Rsu:
    """A pipeline that is killed once, and what its disk keeps of it."""

    def __init__(self, esn, pipeline, killed_s):
        self.esn, self.setup, self.pipeline, self.epoch = esn, pipeline.setup, pipeline, EPOCH
        self.disk = {}  # open episodes by id
        self.journeys = {}  # open ones by id, on the same disk
        self.kill_ns = None if killed_s is None else T0_NS + round(killed_s * NS)

    def is_due(self, t_ns):
        """Whether it dies now."""
        return self.pipeline is not None and self.kill_ns is not None and t_ns >= self.kill_ns

    def step(self, t_ns, item):
        if self.pipeline is None:
            if t_ns < self.kill_ns + DOWN_NS:
                return []
            self.epoch, self.pipeline, self.kill_ns = self.epoch + 1, Pipeline(self.setup), None
            episodes, journeys = tuple(self.disk.values()), tuple(self.journeys.values())
            start = Start(epoch=self.epoch, episodes=episodes, journeys=journeys)
            self._keep(self.pipeline.step(t_ns, start))
        return self._keep(self.pipeline.step(t_ns, item))

    def _keep(self, outputs):
        for output in outputs:
            if isinstance(output, Raised | Withheld):
                key = output.violation.id if isinstance(output, Raised) else output.violation_id
                self.disk.pop(key, None)
                if output.episode is not None:
                    self.disk[key] = output.episode
            elif isinstance(output, Released):
                self.disk.pop(output.episode_id, None)
            elif isinstance(output, Travelled):
                self.journeys[output.journey_id] = output.body
            elif isinstance(output, JourneyReleased):
                self.journeys.pop(output.journey_id, None)
        return outputs


class Run:
    """The truck's way over the boundary at 420 m, with a departure that is open there."""

    def __init__(self, setup, killed_s):
        self.rsus = {
            esn: Rsu(esn, pipeline, at_s)
            for esn, pipeline, at_s in zip("AB", between(setup, 420.0), killed_s, strict=True)
        }
        self.mail = []  # (due, to, message)
        self.owners = defaultdict(list)  # by tick: (esn, track)
        self.names = {}  # by RSU: terminal by track, as published last
        self.violations, self.offered_ns = [], None
        self.travelled = []  # bodies of the journeys' versions, as the centre gets them
        for t_ns, item in drive(setup, leave, seconds=SECONDS):
            while self.mail and self.mail[0][0] <= t_ns:
                due_ns, to, post = self.mail.pop(0)
                self._step(to, due_ns, _received(post, "BA"["AB".index(to)]))
            for esn in self.rsus:
                self._step(esn, t_ns, item)

    def _step(self, esn, t_ns, item):
        for victim, rsu in self.rsus.items():
            if rsu.is_due(t_ns):
                rsu.pipeline = None
                self.mail = [row for row in self.mail if row[1] == victim]  # of two: the other's alone
        self._follow(esn, t_ns, self.rsus[esn].step(t_ns, item))

    def _follow(self, esn, t_ns, outputs):
        for output in outputs:
            if isinstance(output, Snapshot):
                snapshot = decode_snapshot(output.body)
                for record in records_of(snapshot):
                    if record["flags"] & FLAG_OWNED:
                        self.owners[snapshot.stamp_ns].append((esn, int(record["track"])))
                if snapshot.names is not None:
                    self.names[esn] = dict(zip(snapshot.names.track, snapshot.names.terminal, strict=True))
            elif isinstance(output, Raised):
                self.violations.append(decode(output.body))
            elif isinstance(output, Travelled):
                self.travelled.append((t_ns, output.body))
            elif isinstance(output, HandoverOffer | OfferAck):
                self.offered_ns = self.offered_ns or t_ns
                self.mail.append((t_ns + WAY_NS, "BA"["AB".index(esn)], output))

    def departures(self):
        ours = [violation for violation in self.violations if violation.rule == "lane_departure"]
        return [violation for violation in ours if violation.grade != "undecidable"]  # far from a radar


def _received(post, sender):
    if isinstance(post, HandoverOffer):
        return HandedOver(sender, decode_handover(post.body))
    return HandoverAnswered.of(sender, decode_handover_ack(post.body))


# when each is killed [ms], counted from the offer; it arrives after 30 ms, and its answer after 30 more
KILLS = {
    "nobody": (None, None),
    "giver": (5, None),            # its offer is lost
    "giver later": (35, None),     # the receiver has adopted
    "receiver": (None, 35),        # it has adopted; the answer, and what it raised, never leave it
    "both before": (-105, -105),
    "both with the offer": (5, 5),
    "both with the answer": (35, 35),
    "both after": (65, 65),        # the giver has heard the answer, and forgotten the episode
}  # fmt: skip


@pytest.fixture(scope="module")
def unharmed(setup):
    return Run(setup, (None, None))


@pytest.fixture(scope="module", params=KILLS.values(), ids=KILLS)
def drove(request, setup, unharmed):
    """When each was killed, counted from the first stamp, and what came of it."""
    if request.param == (None, None):
        return request.param, unharmed
    offered_s = (unharmed.offered_ns - T0_NS) / NS
    killed_s = tuple(None if ms is None else offered_s + ms / 1e3 for ms in request.param)
    return killed_s, Run(setup, killed_s)


def test_each_tick_has_one_owner_at_most_and_soon_one(drove):
    killed_s, run = drove
    assert {t_ns: owners for t_ns, owners in run.owners.items() if len(owners) > 1} == {}
    offered_s = (run.offered_ns - T0_NS) / NS
    last_s = max((at_s for at_s in killed_s if at_s is not None), default=offered_s)
    again_ns = T0_NS + round(last_s * NS) + (300 * MS if None in killed_s else DOWN_NS + 2 * NS)
    ticks = list(range(again_ns // (100 * MS) * 100 * MS, T0_NS + int(SECONDS * NS), 100 * MS))
    counts = {(t_ns - T0_NS) / NS: len(run.owners[t_ns]) for t_ns in ticks[1:-1]}
    assert {t: n for t, n in counts.items() if n != 1} == {}
    assert {esn for esn, _ in run.owners[ticks[-2]]} == {"B"}


def test_the_identity_survives(drove):
    killed_s, run = drove
    last = max(run.owners)
    (owner,) = run.owners[last]
    assert run.names["B"][owner[1]] == "13900000001"
    if None in killed_s:
        (before,) = run.owners[run.offered_ns // (100 * MS) * 100 * MS]
        assert owner[1] == before[1], "under its id"


def test_the_episode_survives_once(drove):
    _, run = drove
    departures = run.departures()
    assert len({violation.id for violation in departures}) == 1
    keys = [(violation.id, violation.version, violation.esn) for violation in departures]
    assert len(keys) == len(set(keys))
    newest = max(departures, key=lambda violation: (violation.hop, violation.version))
    assert (newest.esn, newest.phase) == ("B", "update")
    assert not run.rsus["A"].disk, "the giver has forgotten it"
    assert newest.id in run.rsus["B"].disk


def test_the_journey_stays_one_on_the_board(drove, tmp_path):
    _, run = drove
    centre = Centre(tmp_path / "centre.sqlite")
    for t_ns, body in run.travelled:
        journey = decoded(body)
        assert journey is not None
        centre.violation_writer.commit([], [], [ReceivedJourney(journey, body, t_ns)])
    (row,) = centre.reader.journeys(JourneyFilter(state="all"), ())["items"]
    assert (row["open"], row["esn"], row["contact"]) == (True, "B", "both")
    first = decoded(run.travelled[0][1])
    assert (row["id"], row["start_ns"]) == (first.id, str(first.start_ns))
    driven_s = row["moving_s"] + row["standing_s"]
    followed_s = (int(row["stamp_ns"]) - int(row["start_ns"])) / NS
    # over gaps by the stations at their ends; a look each second
    assert driven_s == pytest.approx(followed_s, abs=1.1)
    assert len(run.rsus["B"].journeys) == 1
