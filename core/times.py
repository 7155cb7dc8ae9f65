"""Times that every package must agree on, in nanoseconds. Pure."""

NS = 1_000_000_000  # a second
TICK_NS = 100_000_000  # the UTC grid of time-outs, snapshots and closings
FUTURE_NS = NS  # a stamp further ahead of our clock than this is wrong
STAMP_NS_MIN, STAMP_NS_MAX = 10**18, 4 * 10**18  # UTC from 2001 to 2096: the stamps that a message may have
