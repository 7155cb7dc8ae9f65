"""The checker on made-up histories: a right one passes, and each single wrong is found under its name."""

import msgspec
import pytest

from petroroad.chaos.checker import FAULTS, RAISED_MIN, check
from petroroad.chaos.history import History, Recorded, Shown, Stored

ESN, EPOCH, N = "RSU-A", 1_700, 48
S = 1_000_000_000


def identity(seq):
    """Three versions an episode."""
    return (f"episode-{(seq - 1) // 3}", (seq - 1) % 3 + 1, ESN)


def body(seq, **changed):
    name, version, esn = identity(seq)
    return msgspec.msgpack.encode({"id": name, "version": version, "esn": esn, "speed_mps": 16.5} | changed)


def right():
    """A run in which all was delivered: 48 versions of 16 episodes, each shown as it came."""
    seqs = range(1, N + 1)
    return History(
        esns=(ESN,),
        last_seqs={(ESN, EPOCH): N},
        bodies={(ESN, EPOCH, seq): body(seq) for seq in seqs},
        recorded=[Recorded(identity(seq), body(seq), seq * S) for seq in seqs],
        ends_ns={ESN: []},
        transport={(ESN, EPOCH, seq): None for seq in seqs},
        stored=[Stored(identity(seq), 0, body(seq), S // 10) for seq in seqs],
        episodes=[(f"episode-{i}", (0, 3), 3) for i in range(N // 3)],
        feed=[(seq, identity(seq)[0]) for seq in seqs],
        pages=[Shown(0, {}, [(seq, identity(seq)[0], (0, identity(seq)[1])) for seq in seqs])],
    )


def test_a_right_run_passes():
    verdict = check(right())
    assert verdict.ok, verdict
    assert (verdict.raised, verdict.recorded, verdict.committed, verdict.shown) == (N, N, N, N)
    assert verdict.wait_worst_s == 0.1


def forget_version(history):
    """The centre acknowledged the last version, and lost it before it was on the disk."""
    del history.transport[ESN, EPOCH, N]
    history.stored.pop()
    history.feed.pop()
    history.pages[0].changes.pop()
    history.episodes[-1] = ("episode-15", (0, 2), 2)


def lose_key(history):
    """A key that an outbox gave, of which nobody else ever heard."""
    history.last_seqs[ESN, EPOCH] = N + 1


def void(history):
    """The RSU could not read it any more."""
    forget_version(history)
    history.transport[ESN, EPOCH, N] = "lost: the outbox's page is damaged"


def only_recorded(history):
    """In the recording, long before any end, and nowhere else."""
    history.recorded.append(Recorded(("episode-99", 1, ESN), b"x", 50 * S))


def wait(history):
    history.waiting.append((ESN, EPOCH, N))


def die(history):
    history.died.append("centre ended with 1:\nTraceback")


def show_again(history):
    """A repeat made another change of a version that is there."""
    history.feed.append((N + 1, "episode-0"))
    history.pages[0].changes.append((N + 1, "episode-0", (0, 3)))


def count_again(history):
    history.episodes[0] = ("episode-0", (0, 3), 4)


def second_row(history):
    history.episodes.append(("episode-0", (0, 3), 3))


def second_version(history):
    """The same bytes under another version."""
    history.stored.append(Stored(("episode-0", 7, ESN), 0, body(1), 0))
    history.recorded.append(Recorded(("episode-0", 7, ESN), body(1), S))
    history.episodes[0] = ("episode-0", (0, 3), 4)


def send_event_twice(history):
    history.pages[0].changes.append(history.pages[0].changes[-1])


def show_older(history):
    """The second version after the third; the third comes again."""
    history.pages[0].changes[1:3] = [history.pages[0].changes[2], history.pages[0].changes[1]]
    history.pages[0].changes.append((N + 1, "episode-0", (0, 3)))


def show_lower_hop(history):
    """A higher version of a lower hop is older."""
    page = history.pages[0].changes
    page[0] = (1, "episode-0", (1, 1))
    page.append((N + 1, "episode-0", (0, 3)))


def show_older_than_loaded(history):
    history.pages[0].loaded["episode-0"] = (0, 2)


def change_stored_byte(history):
    history.stored[4] = Stored(identity(5), 0, body(5, speed_mps=16.4), 0)


def change_sent_byte(history):
    history.bodies[ESN, EPOCH, 5] = body(5, speed_mps=16.4)


def skip_change(history):
    del history.pages[0].changes[10]


def skip_last(history):
    del history.pages[0].changes[-1]


def no_page(history):
    history.pages.clear()


def show_otherwise(history):
    """The page's last word on an episode is another than the centre's."""
    number, name, _ = history.pages[0].changes[-1]
    history.pages[0].changes[-1] = (number, name, (0, 9))


def unrecord(history):
    history.recorded.pop(7)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (forget_version, "lost"),
        (lose_key, "lost"),
        (void, "lost"),
        (only_recorded, "lost"),
        (wait, "waiting"),
        (die, "died"),
        (show_again, "twice"),
        (count_again, "twice"),
        (second_row, "twice"),
        (second_version, "twice"),
        (send_event_twice, "twice"),
        (show_older, "out_of_order"),
        (show_lower_hop, "out_of_order"),
        (show_older_than_loaded, "out_of_order"),
        (change_stored_byte, "altered"),
        (change_sent_byte, "altered"),
        (skip_change, "skipped"),
        (skip_last, "skipped"),
        (no_page, "skipped"),
        (show_otherwise, "skipped"),
        (unrecord, "unrecorded"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_each_wrong_is_found_under_its_name(damage, named):
    history = right()
    damage(history)
    verdict = check(history)
    assert not verdict.ok
    assert getattr(verdict, named) > 0, verdict
    assert verdict.named[named]


def test_a_run_that_raised_little_proves_nothing():
    history = right()
    history.last_seqs[ESN, EPOCH] = RAISED_MIN - 1
    verdict = check(history)
    assert not verdict.ok
    assert all(getattr(verdict, name) == 0 for name in FAULTS)


@pytest.mark.parametrize(
    ("log_ns", "end_ns", "on_disk", "lost"),
    [
        (50 * S, 50 * S + S // 2, False, 0),  # a kill between recording and commit: never raised
        (50 * S, 50 * S + S // 2, True, 1),  # it was committed, so it was raised
        (50 * S, 55 * S, False, 1),  # the commit had seconds of time
        (50 * S, 49 * S, False, 1),  # recorded after the end: by the next start
    ],
)
def test_what_a_kill_cuts_off_before_the_commit_was_not_raised(log_ns, end_ns, on_disk, lost):
    history = right()
    late = msgspec.msgpack.encode({"id": "episode-99", "version": 1, "esn": ESN})
    history.recorded.append(Recorded(("episode-99", 1, ESN), late, log_ns))
    history.ends_ns[ESN].append(end_ns)
    if on_disk:
        history.bodies[ESN, EPOCH, N + 1] = late
    verdict = check(history)
    assert (verdict.lost, verdict.uncommitted) == (lost, 1 - lost)


def test_a_violation_that_came_under_another_key_is_not_lost():
    """After a damage its RSU sends it under a new key, and a void for the old one."""
    history = right()
    history.transport[ESN, EPOCH, 3] = "recovered under another key"
    assert check(history).ok
    del history.transport[ESN, EPOCH, 3]  # the void did not come, but the violation is there
    assert check(history).ok


def test_a_page_that_loaded_anew_is_judged_by_its_last_session():
    """Another centre began with an older backup: what it shows may be older than what the page had."""
    history = right()
    changes = history.pages[0].changes
    loaded = {name: (0, 3) for _, name, _ in changes[:30]}
    history.pages = [Shown(0, {}, changes[:31]), Shown(30, loaded, changes[30:])]
    assert check(history).ok


def test_what_waits_is_counted_as_waiting_alone():
    history = right()
    forget_version(history)
    history.waiting.append((ESN, EPOCH, N))
    verdict = check(history)
    assert (verdict.waiting, verdict.lost) == (1, 0)


def test_what_is_lost_is_counted_once_by_key_and_recording():
    history = right()
    forget_version(history)
    assert check(history).lost == 1
    del history.bodies[ESN, EPOCH, N]  # nobody heard it: which key it had is not known
    assert check(history).lost == 1


def test_strangers_are_not_judged():
    history = right()
    history.transport["STRANGER", 1, 1] = "a stranger's"
    history.bodies["STRANGER", 1, 1] = b"\x88\x91"
    assert check(history).ok
