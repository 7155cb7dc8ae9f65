"""Foreign recordings: an independent generator of inputs and truth; it shares no code with `sim`.

Its road, traffic and error models are its own: fusion is measured on traffic that it was not built on.
It uses `edge` for the form of a recording alone. Run `python -m tests.support.foreign SCENARIO --seed N
--out DIR`; then `petroroad replay` and `petroroad score`. `tests/foreign` holds it against its own claims.

- `scenario`: parameters, and all scenarios by name; `NAME-bodies` reflects from bodies
- `random_scenario`: one that nobody chose.
- `geometry`: paths of exact arcs; `frame`: site metres to degrees; `road`: lanes, ramp, overpass, radars.
- `fleet`: who drives; `traffic`: car following; `departures`: who leaves the lane; `motion`: where all are.
- `receivers`, `radars`, `object_radars`, `shadows`: what is measured, when it arrives, and who hides whom.
- `faults`, `jams`: terminals that err or lie, wrong clocks, jamming.
- `events`: the true violations; `site`: the site's texts; `generate`: all in order of arrival; `tape`: MCAP.

It has no lane changes, no lost scans and no trailers.
"""
