"""What an operator must look after though all of it works: the banner's lines, in order of urgency. Pure.

Each has a `kind` that the page has words for in its languages, whom it is about, and a detail as it was said.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from centre.workers.watch import Fault

SOUND = Fault()
NOTHING: Mapping[str, str] = MappingProxyType({})
NO_STRANGERS: Mapping[str, Mapping[str, str]] = MappingProxyType({})
# kind of the line: the field of a unit's row
STRANGE = {"strange_terminal": "strange_terminals", "strange_radar": "strange_radars"}
NONE: Mapping[str, int] = MappingProxyType({})
REFUSED = "refused."  # counts of whose messages were refused, and why: `edge.link_security`
PARTS_MAX = 16  # names in one line
# of a part's own status: reasons in `degraded` of an RSU, `tls.REASON` in the counts of a gateway or of ours
TLS_KINDS = ("certificate_expired", "certificate_expires", "forged_messages", "insecure")
RSU_KINDS = (
    *TLS_KINDS[:2],
    "twin",
    "one_centre",
    "forged_messages",
    "insecure",
    "outbox_damaged",
    "outbox_altered",
    "outbox_foreign",
    "registration",
    "port_closed",
)


class Reported(NamedTuple):
    """What one part says of itself."""

    name: str
    degraded: Collection[str]
    counts: Mapping[str, int]
    strange: Mapping[str, Mapping[str, str]] = NO_STRANGERS  # kind: {terminal or radar: who used its name}


def warnings(
    *,
    own: Reported,
    rsus: Sequence[Reported],
    gateways: Sequence[Reported],
    others: Sequence[Reported] = (),
    notices: Sequence[str],
    asked_of: Sequence[str],
    lost_of: Mapping[str, int] = NONE,
    centres: Sequence[Mapping[str, Any]],
    expected: str | None,
    main: str = "",
    workers: Fault = SOUND,
    history: Sequence[str] = (),
    failing: Mapping[str, str] = NOTHING,
    platforms: Mapping[str, str] = NOTHING,
    doubts_clock: bool = False,
    misplaced: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return `warnings` of `/api/summary`.

    others : workers, and brokers by what they show to us
    notices : of the database's files.  asked_of : RSUs that are asked for what the database lacks
    lost_of : RSUs that no longer have what they sent and the database lacks, and how many violations
    workers : what is wrong with those of the site
    centres : `centres` of the summary.  expected : id of the site's other centre; None: there is one only
    main : id of the site's first centre, at whose desk alarms are handled while it lives
    history : why the vehicles' history is not kept now.  failing : work beside delivery, and why it fails
    platforms : ways on which events of alarms reach nobody, and why
    doubts_clock : the centre's own clock is not believed now
    misplaced : radars whose pose is off or drifts, and by how much
    """
    found: list[dict[str, Any]] = []
    if workers.absent:
        found.append(_line("workers_absent", workers.silent))
    elif workers.silent:
        found.append(_line("worker_silent", workers.silent))
    if workers.behind:
        found.append(_line("workers_behind", (), str(workers.behind)))
    found += [_line("database_aside", (), notice) for notice in notices]
    found += [_line("history_stopped", (), why) for why in history]
    if failing:
        found.append(_line("work_fails", tuple(failing), next(iter(failing.values()))))
    if platforms:
        found.append(_line("platform_silent", tuple(platforms), next(iter(platforms.values()))))
    if lost_of:
        found.append(_line("items_lost", tuple(lost_of), str(sum(lost_of.values()))))
    if asked_of:
        found.append(_line("asking", asked_of))
    if expected is not None and expected == main and _lives(main, centres):
        found.append(_line("standby_desk", (main,)))
    if expected is not None and not _lives(expected, centres):
        found.append(_line("centre_missing", (expected,)))
    if own.counts.get("centres.twin"):
        found.append(_line("centre_twin", (own.name,)))
    if doubts_clock:
        found.append(_line("centre_clock", (own.name,)))
    if own.counts.get("centres.shares_database"):
        found.append(_line("centre_shares_database", (own.name,)))
    counting = [own, *gateways, *others]
    for kind in dict.fromkeys((*RSU_KINDS, *TLS_KINDS)):
        names = [each.name for each in counting if kind in TLS_KINDS and each.counts.get(f"tls.{kind}")]
        names += [each.name for each in (*gateways, *rsus) if kind in each.degraded]
        if names:
            detail = refused_of([*counting, *rsus]) if kind == "forged_messages" else ""
            if kind == "registration":
                detail = "; ".join(misplaced[:PARTS_MAX])
            found.append(_line(kind, names, detail))
    return found + _strange([*gateways, *rsus])


def _strange(units: Sequence[Reported]) -> list[dict[str, Any]]:
    """Return a line for each kind of device under whose name somebody else sends."""
    found = []
    for kind, field in STRANGE.items():
        names = [each.name for each in units if each.strange.get(field)]
        shown = [f"{name} ← {host}" for each in units for name, host in each.strange.get(field, {}).items()]
        if names:
            found.append(_line(kind, names, ", ".join(shown[:PARTS_MAX])))
    return found


def refused_of(parts: Iterable[Reported]) -> str:
    """Return whose messages were refused and why, as the parts have counted it: `rsu/RSU-22 wrong`."""
    reasons = [
        reason.removeprefix(REFUSED).replace(".", " ")
        for each in parts
        for reason in each.counts
        if reason.startswith(REFUSED)
    ]
    return ", ".join(list(dict.fromkeys(reasons))[:PARTS_MAX])


def _lives(name: str, centres: Sequence[Mapping[str, Any]]) -> bool:
    return any(each["centre"] == name and each["state"] == "online" for each in centres)


def _line(kind: str, parts: Sequence[str], detail: str = "") -> dict[str, Any]:
    return {"kind": kind, "parts": list(parts[:PARTS_MAX]), "n": len(parts), "detail": detail}
