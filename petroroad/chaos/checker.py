"""Judges what remains of a run: was an alert lost, shown twice, out of order, altered? Pure.

It shares no code with what it judges: `petroroad.chaos.evidence` reads files as bytes and plain values.
"""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from petroroad.chaos.history import History, Identity, Key, Place

RAISED_MIN = 40  # a run that raised less proves nothing
TAIL_NS = 2_000_000_000  # before an end: what was recorded, and was not yet on the outbox's disk
HARMLESS_VOIDS = ("recovered ", "implausible ")  # the violation came under another key; it was withheld
UNREADABLE = (msgspec.DecodeError, ValueError, KeyError, TypeError, RecursionError)  # whatever bytes may be
NAMED_MAX = 5  # of each fault, for a reader


@dataclass(slots=True)
class Verdict:
    """Counts; every one of FAULTS must be 0."""

    raised: int = 0
    recorded: int = 0
    committed: int = 0
    shown: int = 0
    died: int = 0
    waiting: int = 0
    lost: int = 0
    twice: int = 0
    out_of_order: int = 0
    altered: int = 0
    skipped: int = 0
    unrecorded: int = 0
    uncommitted: int = 0  # in a recording's last moments before a kill, and never raised: no fault
    wait_worst_s: float = 0.0
    named: dict[str, list[str]] = field(default_factory=dict)  # the first few of each fault

    @property
    def ok(self) -> bool:
        """Whether the promise was kept, and something was promised."""
        return self.raised >= RAISED_MIN and not any(getattr(self, name) for name in FAULTS)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self) | {"ok": self.ok}


FAULTS = ("died", "waiting", "lost", "twice", "out_of_order", "altered", "skipped", "unrecorded")


def check(history: History) -> Verdict:
    """Return the verdict on a run."""
    absent, uncommitted = _absent(history)
    found: dict[str, list[Any]] = {
        "died": [text.splitlines()[0] for text in history.died],
        "waiting": list(history.waiting),
        "lost": _lost(history, absent),
        "twice": _twice(history),
        "out_of_order": _out_of_order(history),
        "altered": _altered(history),
        "skipped": _skipped(history),
        "unrecorded": _unrecorded(history),
    }
    verdict = Verdict(
        raised=sum(history.last_seqs.values()),
        recorded=len({one.identity for one in history.recorded}),
        committed=len(history.stored),
        shown=sum(len(page.changes) for page in history.pages),
        uncommitted=uncommitted,
        wait_worst_s=round(max((one.waited_ns for one in history.stored), default=0) / 1e9, 2),
        named={name: [str(one) for one in rows[:NAMED_MAX]] for name, rows in found.items() if rows},
    )
    for name, rows in found.items():
        setattr(verdict, name, len(rows))
    return verdict


def identity_of(body: bytes) -> Identity | None:
    """Return (id, version, esn) of a violation's bytes; None where they are none."""
    try:
        row = msgspec.msgpack.decode(body)
        return row["id"], row["version"], row["esn"]
    except UNREADABLE:
        return None


def _lost(history: History, absent: list[Identity]) -> list[Any]:
    """Return each lost violation once: by its key, or by its identity where the key is not known."""
    keys = _lost_keys(history)
    by_body = {key: identity_of(history.bodies[key]) for key in keys if key in history.bodies}
    unnamed = [key for key in keys if key not in by_body]
    others = [identity for identity in absent if identity not in by_body.values()]
    return [*by_body, *(unnamed if len(unnamed) > len(others) else others)]


def _lost_keys(history: History) -> list[Key]:
    """Return the keys that an outbox gave and the centre neither knows nor has the violation of.

    What still waits is not lost; it is counted as waiting.
    """
    held = {one.identity for one in history.stored}
    lost, waiting = [], set(history.waiting)
    for (esn, epoch), last_seq in sorted(history.last_seqs.items()):
        for seq in range(1, last_seq + 1):
            key = (esn, epoch, seq)
            reason = history.transport.get(key, "absent")
            if reason is None or reason.startswith(HARMLESS_VOIDS) or key in waiting:
                continue
            body = history.bodies.get(key)
            if body is None or identity_of(body) not in held:
                lost.append(key)
    return lost


def _absent(history: History) -> tuple[list[Identity], int]:
    """Return the recorded violations that the centre lacks, and how many of them an RSU's end cut off.

    A violation is recorded first, then committed to the outbox, then sent. One that a kill met between the
    first two was never raised: nobody was promised anything.
    """
    held: set[Identity | None] = {one.identity for one in history.stored}
    held |= {identity_of(history.bodies[key]) for key in history.waiting if key in history.bodies}
    on_disk = {identity_of(body) for body in history.bodies.values()}
    lost, uncommitted = [], 0
    for one in history.recorded:
        if one.identity in held:
            continue
        ends = history.ends_ns.get(one.identity[2], [])
        if one.identity not in on_disk and any(0 <= end_ns - one.log_ns <= TAIL_NS for end_ns in ends):
            uncommitted += 1
        else:
            lost.append(one.identity)
    return lost, uncommitted


def _twice(history: History) -> list[str]:
    """Return what was stored or shown more often than it came."""
    found = []
    versions = Counter(one.identity[0] for one in history.stored)
    for name, n in Counter(episode[0] for episode in history.episodes).items():
        if n > 1:
            found.append(f"{name}: {n} rows of one episode")
    for name, _, n_versions in history.episodes:
        if n_versions != versions[name]:
            found.append(f"{name}: shows {n_versions} versions, has {versions[name]}")
    for name, n in Counter(name for _, name in history.feed).items():
        if n > versions[name]:
            found.append(f"{name}: {n} changes of {versions[name]} versions")
    bodies = Counter(one.body for one in history.stored)
    found += [f"{n} rows hold the same bytes" for n in bodies.values() if n > 1]
    for page in history.pages:
        for number, n in Counter(change[0] for change in page.changes).items():
            if n > 1:
                found.append(f"the page received change {number} {n} times")
    return found


def _out_of_order(history: History) -> list[str]:
    """Return where a page was shown an older version after a newer one."""
    found = []
    for page in history.pages:
        newest: dict[str, Place] = dict(page.loaded)
        for number, name, place in page.changes:
            if place < newest.get(name, place):
                found.append(f"change {number}: {name} shows {place} after {newest[name]}")
            newest[name] = max(place, newest.get(name, place))
    return found


def _altered(history: History) -> list[Identity]:
    """Return the violations of which two places hold different bytes."""
    bodies: dict[Identity, set[bytes]] = {}
    sent = ((identity_of(body), body) for body in history.bodies.values())
    recorded = ((one.identity, one.body) for one in history.recorded)
    stored = ((one.identity, one.body) for one in history.stored)
    for rows in (sent, recorded, stored):
        for identity, body in rows:
            if identity is not None and identity[2] in history.esns:
                bodies.setdefault(identity, set()).add(body)
    return sorted(identity for identity, different in bodies.items() if len(different) > 1)


def _skipped(history: History) -> list[str]:
    """Return the changes that the page never received, and the episodes that it shows otherwise.

    Of its last session: what it loaded anew replaces what it knew.
    """
    if not history.pages:
        return [f"change {number}: there was no page" for number, _ in history.feed]
    page = history.pages[-1]
    received = {number for number, _, _ in page.changes}
    found = [
        f"change {number} of {name}"
        for number, name in history.feed
        if number > page.cursor and number not in received
    ]
    shows = dict(page.loaded) | {name: place for _, name, place in page.changes}
    for name, place, _ in history.episodes:
        if shows.get(name) != place:
            found.append(f"{name}: the page shows {shows.get(name)}, the centre {place}")
    return found


def _unrecorded(history: History) -> list[Identity]:
    """Return the violations that the centre holds and no recording has."""
    recorded = {one.identity for one in history.recorded}
    return sorted(
        one.identity
        for one in history.stored
        if one.identity[2] in history.esns and one.identity not in recorded
    )
