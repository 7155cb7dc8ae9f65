"""How soon a departure is reported, and how seldom one that is none.

`python -m benchmarks.lane_departure [--quick]`; JSON lines. The detectors are the product's own kernels with
its shipped settings (`judged`).

- `drivers`: the family of drivers who keep their lane, and the errors of what is measured of them.
- `delays`: from the true crossing to `notice` and `warning`, at the shipped rate of false alarms.
- `chain`: the same behind a filter of a radar's detections at 60, 120 and 250 m.
- `false_alarms`: alarms per vehicle-hour of each member of the family, and of wrongly stated errors.
- `alone`: GNSS without radar through the whole tracker and monitor: found, undecidable, false.
- `crossing`: what drivers who keep the lane make of the way across by courses of each kind, and who is found.
- `shifts`: trucks that keep their lane while their terminal's error jumps or slides: who is accused.
- `calibration`: what `p_violation` says against the truth of recordings.
- `peers`: the rules of Traccar, Tile38 and ThingsBoard (`fences`) on the same fixes.
"""
