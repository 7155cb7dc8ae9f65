"""All metrics of all parts by name: what each is, its labels, and which part serves it (docs/operation.md).

Labels are bounded by the site: its units, sensors, stages and grades. No plate, terminal or address is one.
None is called `part` or `unit`: these are the targets' (`petroroad targets`), and would rename ours.
"""

from typing import Literal, NamedTuple

PREFIX = "petroroad_"
Kind = Literal["gauge", "counter", "histogram"]
Part = Literal["rsu", "gateway", "centre", "worker", "broker"]
Parts = tuple[Part, ...]
ALL: Parts = ("rsu", "gateway", "centre", "worker")
RSU: Parts = ("rsu",)
GATEWAY: Parts = ("gateway",)
CENTRE: Parts = ("centre",)
STORING: Parts = ("centre", "worker")  # who may commit violations
BROKER: Parts = ("broker",)

# reasons in `degraded` of a status; the centre counts any other as `other`, so that no RSU makes up labels
DEGRADED = frozenset((
    "disk_full", "disk_low", "disk_error", "disk_read_only",
    "outbox_in_memory", "outbox_unread", "outbox_damaged", "outbox_altered", "outbox_foreign", "outbox_full",
    "recording_full", "recording_error", "recording_short", "one_centre", "twin", "registration",
    "certificate_expires", "certificate_expired", "certificate_damaged", "insecure", "forged_messages",
    "port_closed",
))  # fmt: skip


class Described(NamedTuple):
    """One metric.  parts : the processes that serve it"""

    kind: Kind
    parts: Parts
    help: str
    labels: tuple[str, ...] = ()


METRICS: dict[str, Described] = {
    # ---- every part
    "build_info": Described("gauge", ALL, "Always 1: the part's version.", ("version",)),
    "events_total": Described("counter", (*ALL, *BROKER), "What happened, by reason.", ("reason",)),
    "link_up": Described("gauge", ALL, "Whether a connection to the broker is up.", ("link",)),
    "degraded": Described("gauge", ALL, "1 for each reason why the part is degraded.", ("reason",)),
    "clock_synchronized": Described("gauge", ALL, "Whether the kernel says that its clock is kept right."),
    "certificate_not_after_timestamp_seconds": Described(
        "gauge", (*ALL, *BROKER), "When the part's own certificate ends; absent without one."
    ),
    "broker_certificate_not_after_timestamp_seconds": Described(
        "gauge", ("centre",), "When the certificate ends that a broker shows to the centre.", ("broker",)
    ),
    "disk_free_bytes": Described("gauge", ("rsu", "centre"), "Room for what is kept there.", ("place",)),
    "disk_size_bytes": Described("gauge", ("rsu", "centre"), "Size of the disk there.", ("place",)),
    "inbox_depth": Described("gauge", ("rsu", *STORING), "Messages that wait in the inbox."),
    "clock_offset_seconds": Described(
        "gauge", ("rsu", "gateway"), "The part's clock ahead of the centre's; absent before the first answer."
    ),
    "violation_latency_seconds": Described(
        "histogram", ("rsu", *STORING), "Time that a version of a violation spent in a stage.",
        ("rsu", "stage", "kind"),
    ),
    # ---- an RSU
    "tick_seconds": Described("histogram", RSU, "Time that the pipeline took for a tick of 100 ms."),
    "tracks": Described("gauge", RSU, "Vehicles in the newest snapshot."),
    "outbox_depth": Described("gauge", RSU, "Items that the centre has not acknowledged."),
    "outbox_oldest_age_seconds": Described(
        "gauge", RSU, "Age of the oldest item that the centre lacks; 0: none; absent: unknown."
    ),
    "journeys_waiting": Described("gauge", RSU, "Versions of journeys that wait for the centre."),
    "publications_waiting": Described("gauge", RSU, "Published maps that wait to be compiled."),
    "sensor_up": Described("gauge", RSU, "Whether a radar's scans come and its clock is right.", ("sensor",)),
    "sensor_age_seconds": Described(
        "gauge", RSU, "Age of a radar's newest scan; absent before its first.", ("sensor",)
    ),
    "sensor_pose_error_ratio": Described(
        "gauge", RSU, "The largest error of a radar's pose that traffic shows, over its bound.", ("sensor",)
    ),
    "gateway_age_seconds": Described(
        "gauge", RSU, "Time since a gateway's last message; absent before its first."
    ),
    "clock_faults": Described("gauge", RSU, "Clocks that are wrong.", ("of",)),
    "stretch_meters": Described("gauge", RSU, "Length of the RSU's stretch of road."),
    "unjudged_meters": Described("gauge", RSU, "Length of it that can't be judged now."),
    # ---- the gateway
    "terminals": Described("gauge", GATEWAY, "Terminals that are connected."),
    "fixes_waiting": Described("gauge", GATEWAY, "Fixes that wait to be sent to RSUs."),
    # ---- the centre
    "unit_up": Described(
        "gauge", CENTRE, "Whether an RSU or gateway is online and its heartbeats come.", ("kind", "name")
    ),
    "unit_heartbeat_age_seconds": Described(
        "gauge", CENTRE, "Time since a unit's last heartbeat; absent before the first.", ("kind", "name")
    ),
    "unit_clock_offset_seconds": Described(
        "gauge", CENTRE, "A unit's clock ahead of the centre's, by the unit.", ("kind", "name")
    ),
    "rsu_outbox_depth": Described("gauge", CENTRE, "Items that wait at an RSU, by its status.", ("rsu",)),
    "rsu_degraded": Described("gauge", CENTRE, "1 for each reason in an RSU's status.", ("rsu", "reason")),
    "rsu_sensor_up": Described("gauge", CENTRE, "A radar's state by its RSU's status.", ("rsu", "sensor")),
    "rsu_sensor_misplaced": Described(
        "gauge", CENTRE, "Whether a radar's pose is beyond its bounds or drifts, by its RSU's status.",
        ("rsu", "sensor"),
    ),
    "rsu_stretch_meters": Described("gauge", CENTRE, "Length of an RSU's stretch of road.", ("rsu",)),
    "rsu_unjudged_meters": Described(
        "gauge", CENTRE, "Length of it that can't be judged now; all of it where the RSU is off.", ("rsu",)
    ),
    "rsu_twin": Described("gauge", CENTRE, "Whether two units deliver under an RSU's name.", ("rsu",)),
    "rsu_missing_items": Described(
        "gauge", CENTRE, "Items that an RSU reports to have sent and the database lacks.", ("rsu",)
    ),
    "rsu_lost_items": Described("gauge", CENTRE, "Items that no file of an RSU holds.", ("rsu",)),
    "rsu_void_items": Described(
        "gauge", CENTRE, "Items of an RSU in whose place only a reason came, lost ones included.", ("rsu",)
    ),
    "snapshot_age_seconds": Described(
        "histogram", CENTRE, "Age of an RSU's snapshot of vehicles at its arrival.", ("rsu",)
    ),
    "episodes_closed_total": Described(
        "counter", STORING, "Episodes that ended, by their highest grade.", ("rsu", "grade")
    ),
    "commit_seconds": Described("histogram", STORING, "Time of one transaction of the writer."),
    "inbox_bytes": Described("gauge", STORING, "Bytes of the messages that wait in the inbox."),
    "quarantined_items": Described("gauge", CENTRE, "Messages and items in the quarantine."),
    "database_up": Described("gauge", STORING, "Whether the database is read and written."),
    "database_wal_bytes": Described("gauge", CENTRE, "Size of the database's write-ahead log."),
    "database_set_aside": Described("gauge", CENTRE, "Notices that an operator has to look at."),
    "page_streams": Described("gauge", CENTRE, "Streams to pages that are open.", ("stream",)),
    "workers_online": Described(
        "gauge", CENTRE, "Workers that live; absent where the centre stores all itself."
    ),
    "queue_depth": Described(
        "gauge", ("worker",), "Messages in a queue of the cluster; absent: unknown.", ("queue",)
    ),
    "cluster_node_up": Described(
        "gauge", ("worker",), "Whether a node of the cluster answers this worker.", ("node",)
    ),
    "centre_up": Described("gauge", CENTRE, "Whether a centre on the broker serves.", ("centre",)),
    **{
        f"{kind}s_{state}": Described("gauge", CENTRE, f"{name}s that are {state}.")
        for kind, name in (("rsu", "RSU"), ("gateway", "Gateway"))
        for state in ("online", "offline", "never", "stale")
    },
    # ---- the broker, where `petroroad broker` runs it
    "broker_up": Described("gauge", BROKER, "Whether the broker's program runs."),
    "broker_starts_total": Described("counter", BROKER, "Starts of the broker's program."),
    "broker_cpu_seconds_total": Described("counter", BROKER, "CPU time of the broker's program."),
    "broker_resident_memory_bytes": Described("gauge", BROKER, "Memory of the broker's program."),
    "broker_open_fds": Described("gauge", BROKER, "Open files and connections of the broker's program."),
}  # fmt: skip


def described(name: str) -> Described:
    """Return what a metric is, by its name without PREFIX; one that is not listed is a plain gauge."""
    return METRICS.get(name) or Described("gauge", (), name.replace("_", " ").capitalize() + ".")
