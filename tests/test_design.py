"""The tables of docs/design.md agree with the code: topics, fields, keys, rules, channels and commands."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from cyclopts import App

from centre import commit_size, inbox, twins, unit_registry
from centre.outreach.events import AlarmEvent
from core import times
from edge import failover, mqtt_client, queues, sections, service, takeover, topics, wire
from edge.ask import ViolationAsk
from edge.centre_status import CentreSeen, CentreStatus, EpochKnown
from edge.clip_messages import ClipFile, RsuAnswer, RsuCommand
from edge.config_down import ConfigAnswer, ConfigDown
from edge.delivery_log import Delivery, Given
from edge.desk_state import DeskState, HandledAlarm
from edge.gateway_command import Command, CommandOutcome
from edge.journey_messages import JourneyAck, JourneyBatch, JourneyKey
from edge.outbox import batches, destinations, window
from edge.schemas import SCHEMAS
from edge.stations import NONE_SIGNED_DM
from edge.terminal_only import TerminalOnly
from fusion import timekeeping
from fusion.config import FusionConfig
from fusion.handover import CarriedBias, CarriedManoeuvre, CarriedState, CarriedTrack, Covariance
from fusion.handover_doubt import CarriedDoubt, CarriedJam
from fusion.learnt import Learnt
from fusion.registration import RegistrationState
from fusion.tracker_state import RingState, StoredTrack, TrackerState
from geofence import carry
from geofence.breaches import Breach
from geofence.calendar import Exemption, Holiday
from geofence.closures import Closure
from geofence.config import VehicleConfig
from geofence.episodes import OpenEpisode
from geofence.grading import Grading, RuleSettings
from geofence.journeys.config import JourneysConfig
from geofence.journeys.driving import Driving
from geofence.journeys.journey import Dwell, Journey, JourneysState, Seen
from geofence.journeys.past import PastTrips
from geofence.layers import SpeedLimit, Weather
from geofence.map.frames import FRAME_M_MAX
from geofence.permits import PermitConfig
from geofence.rules import REGISTRY
from geofence.rules.following_distance import GapRow
from geofence.violation import Rule, Stamps, Violation, ViolationVehicle
from petroroad.cli import build
from roadside import centre_watch, handover, inputs, ownership, pipeline, snapshot
from roadside.gateway import commands as gateway_commands
from roadside.gateway import process, routing
from roadside.handover import CarriedVehicle
from roadside.lost_vehicles import LostVehicle
from roadside.pipeline_alarms import AlarmedTerminal, TerminalAlarm
from roadside.pipeline_config import ConfigState, KeptConfig
from roadside.pipeline_late_ledger import JudgedRow, JudgedUntil, LedgerState
from roadside.pipeline_late_state import HeldFixes, LateState
from roadside.pipeline_late_times import RaisedEpisode
from roadside.pipeline_learnt import KeptLearnt
from roadside.pipeline_state import GivingState, HoldingState, LostState, PipelineState
from tests.support.design_tables import DESIGN, fields, grades, named_tables, table

ROOT = Path(__file__).parents[1]
WIRE = {
    struct.__name__: struct
    for struct in vars(wire).values()
    if isinstance(struct, type) and issubclass(struct, msgspec.Struct)
}
GRADED = Grading.__struct_fields__
WITHOUT_TABLE = {"GnssColumns"}  # the fields of `GnssFix` as columns
STATE = (
    CarriedVehicle, CarriedTrack, CarriedDoubt, CarriedJam, CarriedState, CarriedBias, CarriedManoeuvre,
    Covariance,
    carry.CarriedJudgement, carry.CarriedEvidence, carry.CarriedDrift, carry.CarriedHistory,
    carry.MonitorState, OpenEpisode,
    PipelineState, LostState, LostVehicle, HoldingState, GivingState, TrackerState, StoredTrack, RingState,
    RegistrationState, Journey, Dwell, JourneysState, Seen, LateState, HeldFixes, RaisedEpisode, ConfigState,
    KeptConfig, KeptLearnt, Learnt, TerminalAlarm, AlarmedTerminal, Breach, Driving, PastTrips,
    LedgerState, JudgedRow, JudgedUntil,
)  # fmt: skip
INPUTS = (
    inputs.RadarPayload, inputs.DetectionColumns, inputs.ObjectColumns, inputs.Start, inputs.ClockStep,
    inputs.EpisodesFound, inputs.HandoverAnswered,
)  # fmt: skip
CONFIG = (
    *(struct for name, struct in vars(sections).items() if name.endswith(("Config", "Section"))),
    VehicleConfig, FusionConfig, RuleSettings, SpeedLimit, Weather, JourneysConfig, PermitConfig,
)  # fmt: skip
WIRE |= {struct.__name__: struct for struct in (JourneyBatch, JourneyAck, JourneyKey)}
WIRE |= {struct.__name__: struct for struct in (ViolationAsk, Delivery, Given)}
STRUCTS: dict[str, Any] = {name: struct for name, struct in WIRE.items() if name not in WITHOUT_TABLE}
STRUCTS |= {struct.__name__: struct for struct in (*STATE, *INPUTS, *CONFIG, Command, CommandOutcome)}
STRUCTS |= {struct.__name__: struct for struct in (ConfigDown, ConfigAnswer)}
STRUCTS |= {struct.__name__: struct for struct in (RsuCommand, RsuAnswer, ClipFile, AlarmEvent)}
STRUCTS |= {struct.__name__: struct for struct in (CentreStatus, CentreSeen, EpochKnown, TerminalOnly)}
STRUCTS |= {struct.__name__: struct for struct in (DeskState, HandledAlarm)}
STRUCTS |= {struct.__name__: struct for struct in (Violation, ViolationVehicle, Stamps)}
STRUCTS |= {
    rule.__name__: rule.Config
    for rule in REGISTRY
    if rule.Config is not None and not set(rule.Config.__struct_fields__) <= set(GRADED)
}
STRUCTS |= {struct.__name__: struct for struct in (GapRow, Closure, Holiday, Exemption)}
del STRUCTS["RulesConfig"]  # the sections of `RuleSettings` and of each rule together
TABLES = named_tables()


def test_each_payload_and_section_has_its_table():
    assert set(TABLES) == set(STRUCTS)


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_a_table_has_each_field_with_its_bounds_and_default(name):
    rows = {cells[0].strip("`"): tuple(cells[1:3]) for cells in TABLES[name]}
    graded = GRADED if issubclass(STRUCTS[name], Grading) else ()  # they are in the table of rules
    assert rows == {key: value for key, value in fields(STRUCTS[name]).items() if key not in graded}
    assert all(cells[3] for cells in TABLES[name]), "each field says what it means"


def test_each_column_of_a_snapshot_has_its_row():
    rows = [(cells[0].strip("`"), cells[1]) for cells in table("column of `data`")]
    assert rows == [(name, kind.lstrip("<|")) for name, kind in wire.TRACK_DESCR]
    name, kind = wire.SIGNED_STATION
    none = str(NONE_SIGNED_DM).replace("-", "\u2212")
    assert re.search(rf"`{name}` \({kind.lstrip('<')}, dm, [^)]*; {none}: none\)", DESIGN)


MADE = {
    "violation_up": ("{esn}",), "violation_ack": ("{esn}",), "track_up": ("{esn}",), "status": ("{esn}",),
    "handover": ("{esn}", "{to}"), "handover_ack": ("{to}", "{from}"), "clock_req": ("{esn}",),
    "clock_rsp": ("{esn}",), "gnss_down": ("{esn}",), "gateway_status": ("{id}",),
    "journey_up": ("{esn}",), "journey_ack": ("{esn}",),
    "gateway_command_down": ("{id}",), "gateway_command_up": ("{id}",), "gateway_clock_req": ("{id}",),
    "config_down": ("{esn}",), "epoch_down": ("{esn}",), "centre_status": ("{id}",),
    "centre_desk": ("{id}",),
    "violation_ask": ("{esn}",),
    "rsu_command_down": ("{esn}",), "rsu_command_up": ("{esn}",), "alarm_up": ("{id}",),
    "gateway_clock_rsp": ("{id}",), "vehicle_gnss_up": ("{terminal}",),
}  # fmt: skip
GENERAL = {"rsu", "kind", "parse", "matches", "NamedTuple"}
TOPICS = {cells[0].strip("`"): cells for cells in table("topic")}


def test_each_topic_has_its_row():
    functions = {name for name, value in vars(topics).items() if inspect.isfunction(value)}
    assert functions - GENERAL == set(MADE)
    assert {getattr(topics, name)(*arguments) for name, arguments in MADE.items()} == set(TOPICS)


def test_a_topic_is_subscribed_with_the_qos_of_its_row():
    seen = set()
    for text in sources("edge", "roadside", "centre"):
        for name, qos in re.findall(r"Subscription\(topics\.(\w+)\([^)]*\), (\d)", text):
            assert TOPICS[getattr(topics, name)(*MADE[name])][1] == qos, name
            seen.add(name)
    assert len(seen) > 8


def test_a_topics_payload_is_a_table():
    assert {cells[3].strip("`") for cells in TOPICS.values()} <= set(TABLES)


def test_each_rule_has_its_row():
    rows = {cells[0].strip("`"): cells for cells in table("rule")}
    assert list(rows) == [rule.name for rule in REGISTRY]
    for rule in REGISTRY:
        _, evidence, scope, decided_by, *cells = rows[rule.name]
        assert (evidence.split(" ")[0], scope, decided_by) == (rule.kind, rule.scope, rule.decided_by)
        assert cells[:3] == grades(None if rule.Config is None else rule.Config())
        assert re.findall(r"`(\w+)`", cells[3]) == list(rule.keys)
    assert {rule.violation for rule in REGISTRY} <= set(get_args(Rule))
    assert all(f"`{name}`" in DESIGN for name in get_args(Rule))


def test_each_channel_has_its_row():
    rows = [re.split(r"/(?=\{)", cells[0].strip("`"))[0] for cells in table("channel")]
    named = {name.removeprefix("/").replace("/", ".") for name in rows}
    assert set(SCHEMAS) | {"input", "state", "config"} == named
    written = {
        found
        for text in sources("edge", "roadside", "sim", "importers", "petroroad/replay")
        for found in re.findall(r'"(/(?:truth/violation|[a-z]+))(?:/\{[^"]*\})?", ', text)
    }
    assert {"/gnss", "/input", "/radar", "/state"} <= written <= set(rows)


def test_each_command_has_its_row_with_its_options():
    rows = {cells[0].strip("`"): re.findall(r"`([^`]+)`", cells[1]) for cells in table("command")}
    assert rows == dict(commands(build()))


PLAIN = " ".join(DESIGN.split())


@pytest.mark.parametrize(
    "stated",
    [
        f"with a margin of {routing.FEED_MARGIN_M:g} m",
        f"more than {routing.CORRIDOR_M:g} m off the axis",
        f"batched for at most {process.BATCH_S * 1e3:g} ms",
        f"Without a message of a gateway for {pipeline.GATEWAY_SILENT_NS / 1e9:g} s",
        f"fixed UTC grid of {times.TICK_NS / 1e6:g} ms",
        f"more than {FRAME_M_MAX / 1e3:g} km from the origin",
        f"at the start and each {pipeline.STATE_EVERY_NS / 1e9:g} s",
        f"a hysteresis of {ownership.HYSTERESIS_M:g} m",
        f"repeats the offer each {handover.REPEAT_NS / 1e6:g} ms",
        f"opens nothing new for it for {ownership.OPENS_AFTER_NS / 1e9:g} s",
        f"more than {ownership.NEIGHBOUR_M:g} m from every neighbour's stretch is owned at once",
        f"after it was {ownership.TAKE_AFTER_NS / 1e9:g} s inside the stretch",
        f"{ownership.RETAKE_AFTER_NS / 1e9:g} s for one that it gave away",
        f"an RSU puts at most {handover.OFFER_TRACKS_MAX} in one",
        f"an RSU names at most {timekeeping.CLOCKS_NAMED_MAX} ",
        f"when they change and each {snapshot.WHOLE_EVERY_NS / 1e9:g} s",
        f"radar within {snapshot.RADAR_FRESH_NS / 1e9:g} s, 5 GNSS within {snapshot.GNSS_FRESH_NS / 1e9:g} s",
        f"`no_answer` after {gateway_commands.ANSWER_WITHIN_NS / 1e9:g} s",
        f"{batches.RESEND_S_MIN:g} s after it was last sent, with a back-off to {window.RESEND_S_MAX:g} s",
        f"detected within the last {window.LIVE_NS / 1e9:g} s, are sent first",
        f"{window.ITEMS_INFLIGHT_MAX} items may be on their way",
        f"and {window.LIVE_INFLIGHT_MAX} live ones more",
        f"{queues.PER_RSU_MAX} messages of an RSU, so that none",
        f"for {window.ANSWERS:g} times the usual time of an answer",
        f"(at most {window.ANSWERS * window.ANSWER_S_MAX:g} s)",
        f"of the others one byte for {inbox.LIVE_TIMES} live ones",
        f"as many items as last {commit_size.GOAL_S * 1e3:g} ms",
        f" ({commit_size.ITEMS_MIN} to {commit_size.ITEMS_MAX}), so a live",
        f"keepalive {mqtt_client.KEEPALIVE_S} s, publish time-out {mqtt_client.PUBLISH_S} s",
        f"heartbeat and clock probe each {service.STATUS_S:g} s",
        f"that has waited {failover.UNANSWERED_S:g} s for any acknowledgement",
        f"waits up to {failover.LOOK_S:g} s for a live `online`",
        f"looks at the first one each {failover.FIRST_S_MIN:g} s",
        f"within {failover.FLAP_S:g} s, it looks half as often, up to {failover.FIRST_S_MAX:g} s",
        f"has been silent for {unit_registry.STALE_NS / 1e9:g} s",
        f"twice within {twins.TWIN_NS / 1e9:g} s",
        f"more than {takeover.LOSSES_MAX} times in {takeover.WINDOW_S:g} s",
        f"came for {destinations.AWAY_S:g} s, while the RSU's link was up",
        f"at a random moment within {centre_watch.BIRTH_JITTER_S:g} s",
        f"then {service.DRAIN_S} s are left for acknowledgements",
    ],
)
def test_a_number_in_the_text_is_the_codes(stated):
    assert stated in PLAIN


def commands(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """Yield each command with the names of its arguments, in order."""
    parts = [name for name in app if not name.startswith("-")]
    for name in parts:
        yield from commands(app[name], (*path, name))
    if app.default_command is not None:
        yield " ".join(path), [argument.names[0] for argument in app.assemble_argument_collection()]


def sources(*folders: str) -> Iterator[str]:
    """Yield the text of each Python file under the folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.read_text(encoding="utf-8")
