"""Times that every package must agree on, in nanoseconds. Pure."""

NS = 1_000_000_000  # a second
TICK_NS = 100_000_000  # the UTC grid of time-outs, snapshots and closings
FUTURE_NS = NS  # what is measured later than this ahead of us was stamped wrong
STAMP_NS_MIN, STAMP_NS_MAX = 10**18, 4 * 10**18  # UTC between 2001 and 2096: what a message may bear
