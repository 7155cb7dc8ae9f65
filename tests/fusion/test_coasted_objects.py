"""Objects that only continue a radar's last message are told apart from detections."""

import numpy as np
import pytest

from fusion.coasted_objects import CoastedObjects
from fusion.observations import ObjectScan
from tests.support.fusion_world import NAN, T0_NS

PERIOD_NS = 71_000_000


def message(k: int, ids: list[int], x: np.ndarray) -> ObjectScan:
    """Return message k of a radar that sends states x (n, 4)."""
    n = len(ids)
    return ObjectScan(
        sensor="R", stamp_ns=T0_NS + k * PERIOD_NS, arrived_ns=T0_NS + k * PERIOD_NS, scan=k,
        object_id=np.array(ids), x_m=x[:, 0].copy(), y_m=x[:, 1].copy(), vx_mps=x[:, 2].copy(),
        vy_mps=x[:, 3].copy(), length_m=np.full(n, NAN), width_m=np.full(n, NAN), kind=np.zeros(n, np.int64),
    )  # fmt: skip


def coasted(objects: CoastedObjects, seen: ObjectScan, q: int = 0, *, is_newest: bool = True) -> np.ndarray:
    return objects.coasted(q, seen, is_newest=is_newest)


def moved(x: np.ndarray) -> np.ndarray:
    return np.column_stack([x[:, :2] + PERIOD_NS * 1e-9 * x[:, 2:], x[:, 2:]])


STATES = np.array([[80.0, 3.0, -20.01, 0.3], [60.0, -4.0, 15.0, 0.02], [30.0, 9.0, 0.12, 0.0]])


def test_an_object_that_only_goes_on_is_found_and_one_that_was_detected_is_not():
    objects = CoastedObjects(1)
    assert not coasted(objects, message(0, [4, 9, 7], STATES), 0).any()
    second = moved(STATES)
    second[0] += [0.05, -0.02, 0.04, 0.01]
    order = [1, 2, 0]  # a radar's order is its own
    found = coasted(objects, message(1, [9, 7, 4], second[order]), 0)
    assert found.tolist() == [True, False, False]  # one that stands is measured again and again


def test_another_vehicle_under_a_used_number_is_new():
    objects = CoastedObjects(1)
    coasted(objects, message(0, [4, 9, 7], STATES), 0)
    assert not coasted(objects, message(1, [9, 4, 8], moved(STATES)), 0).any()


@pytest.mark.parametrize("step_m", [0.1, 0.2])
def test_coarse_numbers_of_a_steady_vehicle_are_measurements(step_m):
    """Its velocity is the same for seconds, in steps of 0.25 m/s; its places are rounded."""
    objects, place = CoastedObjects(1), np.array([80.0, 3.0])
    for k in range(200):
        place += PERIOD_NS * 1e-9 * np.array([-19.93, 0.02])
        sent = np.array([[*(np.round(place / step_m) * step_m), -20.0, 0.0]])
        sent = sent.astype(np.float32).astype(np.float64)  # as a datagram has them
        assert not coasted(objects, message(k, [1], sent), 0).any()


def test_a_restored_memory_continues_exactly():
    objects, restored = CoastedObjects(2), CoastedObjects(2)
    coasted(objects, message(0, [4, 9, 7], STATES), 1)
    restored.restore(*objects.state(), ("A", "B"))
    later = message(1, [4, 9, 7], moved(STATES))
    assert coasted(restored, later, 1).tolist() == coasted(objects, later, 1).tolist() == [True, True, False]
    assert restored.state() == objects.state()


def test_late_and_lost_messages_are_not_compared():
    objects = CoastedObjects(1)
    coasted(objects, message(1, [4, 9, 7], moved(STATES)), 0)
    assert not coasted(objects, message(0, [4, 9, 7], STATES), is_newest=False).any()
    far = STATES + 30 * (moved(STATES) - STATES)
    assert not coasted(objects, message(30, [4, 9, 7], far), 0).any()


def test_after_an_empty_message_a_late_one_is_compared_with_nothing_as_after_a_restart():
    objects, restored = CoastedObjects(1), CoastedObjects(1)
    coasted(objects, message(2, [], np.zeros((0, 4))))
    restored.restore(*objects.state(), ("A",))
    for one in (objects, restored):
        coasted(one, message(1, [4, 9, 7], STATES), is_newest=False)
        later = message(3, [4, 9, 7], moved(moved(STATES)))
        assert not coasted(one, later).any()
