"""What an RSU shows to Prometheus beside its counters: queues, disks, sensors, clocks (docs/operation.md)."""

from collections.abc import Mapping
from pathlib import Path

from core.intervals import union_m
from core.times import NS
from edge.exposition import Samples, Values
from edge.host import disks
from fusion.registration import share_of_bound
from roadside.agent import Agent

# shown as 0 before they happen: alerts look at their increase
EXPECTED = (
    "outbox.dropped", "outbox.damaged", "outbox.altered", "outbox.lost", "inbox.full", "link.taken_over",
    "radar.stranger", "terminal.live",
)  # fmt: skip


def samples_of(agent: Agent, degraded: tuple[str, ...], places: Mapping[str, Path]) -> Samples:
    """Return the present values.

    places : folders by what is kept there
    """
    pipeline, outbox, now_ns = agent.pipeline, agent.outbox, agent.clock.now_ns()
    found: dict[str, float | Values] = {
        "inbox_depth": agent.inbox.qsize(),
        "outbox_depth": outbox.depth,
        "journeys_waiting": len(agent.journeys),
        "publications_waiting": agent.n_compiling,
        "tracks": agent.n_tracks,
        "degraded": dict.fromkeys(((reason,) for reason in degraded), 1.0),
        "clock_faults": _clock_faults(agent, now_ns),
    }
    found |= _oldest(outbox.oldest_ns, now_ns) | _sensors(agent, now_ns) | _road(agent)
    if pipeline.feed_ns is not None:
        found["gateway_age_seconds"] = _age_s(pipeline.feed_ns, now_ns)
    rooms = list(disks(places))
    found["disk_free_bytes"] = {(place,): free for place, free, _ in rooms}
    found["disk_size_bytes"] = {(place,): size for place, _, size in rooms}
    return found


def _oldest(oldest_ns: int | None, now_ns: int) -> dict[str, float]:
    if oldest_ns is None:
        return {"outbox_oldest_age_seconds": 0.0}
    return {} if oldest_ns == 0 else {"outbox_oldest_age_seconds": _age_s(oldest_ns, now_ns)}


def _sensors(agent: Agent, now_ns: int) -> dict[str, Values]:
    tracker = agent.pipeline.tracker
    states = agent.pipeline.sensor_states or tracker.sensor_state(now_ns)
    newest = dict(zip(tracker.sensor_row, tracker.scans.newest_ns, strict=True))
    return {
        "sensor_up": {(name,): float(state == "online") for name, state in states.items()},
        "sensor_age_seconds": {(name,): _age_s(at_ns, now_ns) for name, at_ns in newest.items() if at_ns},
        "sensor_pose_error_ratio": {
            (name,): share_of_bound(one) for name, one in tracker.registration_report().items()
        },
    }


def _road(agent: Agent) -> dict[str, float]:
    stretch = agent.pipeline.setup.stretch_m
    if stretch is None:  # the map has no axis: there are no stations
        return {}
    pieces = [(max(each.from_m, stretch[0]), min(each.to_m, stretch[1])) for each in agent.pipeline.unjudged]
    return {"stretch_meters": stretch[1] - stretch[0], "unjudged_meters": union_m(pieces)}


def _clock_faults(agent: Agent, now_ns: int) -> Values:
    report = agent.pipeline.tracker.clock_report(now_ns)
    return {
        ("terminals",): report.n_terminals,
        ("radars",): len(report.radars),
        ("host",): float(report.host is not None),
    }


def _age_s(stamp_ns: int, now_ns: int) -> float:
    return max(0.0, (now_ns - stamp_ns) / NS)
