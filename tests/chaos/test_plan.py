"""Plans: equal seeds give equal faults, every plan has what makes it a proof, and none is unfair."""

import pytest

from petroroad.chaos.plan import (
    DATABASE,
    DISK_KINDS,
    END_KINDS,
    LEADER,
    LINK_KINDS,
    NODES,
    START_S,
    TO_DATABASE,
    WORKERS,
    a_cluster,
    draw,
)

ESNS = ("RSU-A", "RSU-B")


def kinds(faults):
    return [fault.kind for fault in faults]


def test_a_plan_is_a_function_of_its_arguments():
    assert draw(7, ESNS, 25.0) == draw(7, ESNS, 25.0)
    assert draw(7, ESNS, 25.0) != draw(8, ESNS, 25.0)
    assert draw(-1, ESNS, 25.0) == draw(-1, ESNS, 25.0)


@pytest.mark.parametrize("seconds", [15.0, 25.0, 40.0])
@pytest.mark.parametrize("hard", [False, True])
def test_every_plan_ends_parts_hurts_links_and_is_healed_in_time(seconds, hard):
    for seed in range(60):
        faults = draw(seed, ESNS, seconds, hard=hard)
        assert any(fault.kind == "kill" and fault.part == "centre" for fault in faults)
        if hard:
            assert {"full_kill", "full_restart"} <= set(kinds(faults))
        else:
            assert any(fault.kind == "kill" and fault.part in ESNS for fault in faults)
        assert {"repeat", "hostile", "page", "freeze"} <= set(kinds(faults))
        assert sum(fault.kind in LINK_KINDS for fault in faults) >= 2
        assert ("new_centre" in kinds(faults)) == hard
        assert set(kinds(faults)) & set(DISK_KINDS)
        for fault in faults:
            assert fault.at_s > 0.0
            assert fault.at_s + fault.hold_s <= seconds, fault


def test_the_kills_of_every_plan_come_at_the_worst_moment():
    for seed in range(60):
        kills = [fault for fault in draw(seed, ESNS, 15.0) if fault.kind == "kill"]
        assert any(kill.part == "centre" and kill.figure == 1.0 for kill in kills)


def test_no_rsu_ends_on_a_full_disk_by_accident():
    for seed in range(200):
        faults = draw(seed, ESNS, 40.0)
        for disk in (fault for fault in faults if fault.kind == "full"):
            for end in (fault for fault in faults if fault.kind in END_KINDS and fault.part == disk.part):
                assert not disk.at_s - START_S <= end.at_s <= disk.at_s + disk.hold_s + START_S


def test_every_plan_for_a_cluster_ends_and_cuts_off_what_a_cluster_has():
    cast = a_cluster(ESNS)
    hurt = set()
    for seed in range(60):
        faults = draw(seed, ESNS, 25.0, cast=cast)
        ended = {fault.part for fault in faults if fault.kind == "kill"}
        assert {LEADER, DATABASE, "centre"} <= ended
        assert ended & set(NODES)
        assert ended & set(WORKERS)
        assert any(fault.kind == "freeze" and fault.part in NODES for fault in faults)
        holes = {fault.part for fault in faults if fault.kind == "hole"}
        assert holes & set(WORKERS)
        assert holes & {f"{name}{TO_DATABASE}" for name in WORKERS}
        hurt |= {(fault.kind, fault.part) for fault in faults}
    assert {("kill", node) for node in NODES} | {("freeze", node) for node in NODES} <= hurt
    assert {part for kind, part in hurt if kind == "cut"} == set(cast.linked)
