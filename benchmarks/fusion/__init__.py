"""Fusion against its goals and its peers: `python -m benchmarks.fusion [--quick] [--seeds N]`.

- `model`, `scans`: the cost of one track's filter against FilterPy's, and of whole radar scans.
- `late`, `start`: late data stays exact; the time until an RSU is ready.
- `boards`, `replays`: recordings of the foreign generator (tests/support/foreign), scored and timed.
- `variants`: the same with parts of the model switched off.
- `traffic`, `scenes`, `ours`, `filterpy_gnn`, `stonesoup_peers`, `peers`: other trackers on the same bytes.
- `report`, `plots`: the tables and plots of docs/fusion.md.

`--quick` takes one seed and seconds of traffic; without it the report is written anew. `--compared` measures
no more than the ratios that `benchmarks.check` compares.
"""
