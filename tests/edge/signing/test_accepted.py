"""No stamp counts twice, however clocks are set; what is remembered for that is bounded."""

from numpy.random import Generator, Philox

from edge.signing.accepted import RUNS_MAX, SIGNER_RUNS_MAX, Accepted

GAP_NS, S = 60 * 10**9, 10**9


def test_no_stamp_counts_twice_whatever_the_clock_does() -> None:
    rng = Generator(Philox(7))
    for _ in range(200):
        accepted, seen, now_ns = Accepted(GAP_NS), set[int](), 10**6 * S
        for _ in range(300):
            now_ns += int(rng.choice((S, S, S, 70 * S, 3_600 * S, -3_600 * S, -65 * S)))
            again = [each for each in seen if abs(each - now_ns) <= GAP_NS]
            for stamp_ns in (now_ns, *again):
                if not accepted.is_repeated(stamp_ns, now_ns):
                    assert stamp_ns not in seen
                    accepted.add(stamp_ns)
                    seen.add(stamp_ns)
        assert len(seen) > 20
        assert len(accepted._runs) <= RUNS_MAX


def test_a_signer_that_is_quiet_now_and_then_is_never_refused() -> None:
    rng, accepted, now_ns = Generator(Philox(7)), Accepted(GAP_NS), 10**6 * S
    for _ in range(10_000):
        now_ns += int(rng.choice((1, S, 61 * S, 500 * S, 86_400 * S)))
        assert not accepted.is_repeated(now_ns, now_ns)
        accepted.add(now_ns)
    assert len(accepted._runs) == RUNS_MAX


def test_of_many_runs_of_a_signer_none_counts_twice_and_few_are_remembered() -> None:
    rng, accepted, now_ns = Generator(Philox(8)), Accepted(GAP_NS), 10**6 * S
    said: list[tuple[int, bytes]] = []
    for k in range(3 * SIGNER_RUNS_MAX):
        run = k.to_bytes(8)
        for _ in range(5):
            now_ns += int(rng.choice((1, S, 20 * S)))
            assert not accepted.is_repeated(now_ns, now_ns, run), "a new run, or its next message"
            accepted.add(now_ns, run)
            said.append((now_ns, run))
    assert len(accepted._newest_of) <= SIGNER_RUNS_MAX
    assert all(accepted.is_repeated(at_ns, at_ns, run) for at_ns, run in said), "whatever our clock says"


def test_two_runs_of_one_signer_at_a_time_do_not_hinder_each_other() -> None:
    accepted = Accepted(GAP_NS)
    for k in range(100):
        for run, ahead_ns in ((b"one", 0), (b"other", 20 * S)):
            stamp_ns = 10**6 * S + k * S + ahead_ns
            assert not accepted.is_repeated(stamp_ns, 10**6 * S + k * S, run)
            accepted.add(stamp_ns, run)
