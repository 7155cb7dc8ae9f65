"""The parts of an RSU's pipeline that rules and map decide, and how they change while it runs. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edge.config_down import ConfigDown
from edge.stations import track_dtype
from fusion.tracker import Tracker
from geofence.config import RulesConfig
from geofence.episode_book import Judged
from geofence.monitor import Monitor
from geofence.plausible import Bounds
from roadside.found_again import FoundAgain
from roadside.outputs import Held, Output
from roadside.pipeline_config import KEY, Accepted, PublishedConfig, change_rules
from roadside.pipeline_late import LatePipeline
from roadside.pipeline_map import Published, change_map, on_map
from roadside.pipeline_setup import Setup, bounds_of_setup, monitor_of
from roadside.side_messages import SideMessages
from roadside.snapshot import Names
from roadside.travelling import Travelling


class Configured(ABC):
    """What a pipeline inherits; it makes these parts itself."""

    setup: Setup
    config: PublishedConfig
    monitor: Monitor
    tracker: Tracker
    late: LatePipeline
    travelling: Travelling
    found_again: FoundAgain
    _side_messages: SideMessages
    _names: Names
    _bounds: Bounds
    _track_dtype: Any
    _report_ns: int

    @abstractmethod
    def _emit(self, t_ns: int, found: Sequence[Judged]) -> list[Output]:
        """Return the outputs of violations."""

    def _configure(self, now_ns: int, item: ConfigDown | Published) -> list[Output]:
        """Judge by what is published from now on; geofence.rule_changes, map_changes: what stays open."""
        accepted = self.config.receive(item)
        if accepted is None:
            return []
        closes, monitor = change_rules(self.monitor, self.setup, accepted.rules, now_ns)
        outputs = self._emit(now_ns, closes)
        self._set_rules(accepted.rules, monitor, now_ns)
        if accepted.compiled is not None:
            new = on_map(self.setup, accepted.compiled)
            closes, monitor, changes = change_map(self.monitor, self.setup, new, now_ns)
            outputs += self._emit(now_ns, closes)
            self.found_again.change_lanes(changes)
            self._set_map(new, monitor)
        return [*outputs, Held(KEY, self.config.kept())]

    def _put_in_force(self, accepted: Accepted | None) -> None:
        """Judge by what was in force before a restart."""
        if accepted is not None and accepted.compiled is not None:
            self._set_map(on_map(self.setup, accepted.compiled))
        if accepted is not None:
            self._set_rules(accepted.rules)

    def _set_rules(self, rules: RulesConfig, monitor: Monitor | None = None, now_ns: int = 0) -> None:
        """Judge by these rules from now on; monitor : by them, None begins one.

        now_ns : what journeys still break by these rules began now; 0: there is none
        """
        self.setup = replace(self.setup, rules=rules)
        self.monitor = self._side_messages.monitor = monitor or monitor_of(self.setup)
        self.late.configure(self.setup)
        self.travelling.journeys.configure(rules, now_ns)
        self._report_ns = int(rules.dark_report_s * 1e9)

    def _set_map(self, setup: Setup, monitor: Monitor | None = None) -> None:
        """Judge on the setup's map from now on; monitor : on it, None begins one."""
        self.setup = setup
        self.monitor = self._side_messages.monitor = monitor or monitor_of(setup)
        self.late.configure(setup)
        self.travelling.journeys.change_map(setup.road)
        self.tracker.store.set_lanes(setup.lanes)
        self._read_map()

    def _read_map(self) -> None:
        """Name lanes and bound places by the setup's map."""
        road, lanes = self.setup.road, tuple(lane.lane for lane in self.setup.road.lanes)
        self._bounds = bounds_of_setup(self.setup)
        self._track_dtype = track_dtype(0.0 if road.axis is None else road.axis.k0_m)
        self._side_messages.set_lanes(lanes)
        self._names.set_lanes(lanes)
