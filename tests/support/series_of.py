"""An RSU's own recordings of a truck that leaves its lane, made by its agent: a series of files, or one."""

import msgspec

from edge.clock import Clock
from edge.config import load_site
from edge.figures import Counts
from edge.recording.series import Series
from edge.wire import GnssFix, encode
from fusion.observations import RadarScan
from roadside.agent import Agent, Arrival
from roadside.inputs import DetectionColumns, GatewayFixes, RadarPayload, Start, Stop
from roadside.pipeline import Pipeline
from roadside.setup import setups
from tests.support.roadside_drive import EXAMPLE, T0_NS, drive, leave

ESN, EPOCH = "RSU001", 1_790_000_000


class FeedClock(Clock):
    """Shows the time of the message that is being fed."""

    __slots__ = ()
    shown_ns = T0_NS

    def now_ns(self):
        return FeedClock.shown_ns


class NoOutbox:
    """Keeps nothing: the recording is what is looked at."""

    def __getattr__(self, name):
        return lambda *_: None


def arrival_of(item, site):
    """Return an input of the drive as it arrives."""
    if isinstance(item, RadarScan):
        columns = DetectionColumns(
            range_m=tuple(item.range_m.tolist()), azimuth_rad=tuple(item.azimuth_rad.tolist()),
            range_rate_mps=tuple(item.range_rate_mps.tolist()), rcs_dbsm=tuple(item.rcs_dbsm.tolist()),
        )  # fmt: skip
        payload = RadarPayload(
            sensor=item.sensor, stamp_ns=item.stamp_ns, arrived_ns=item.arrived_ns, scan=item.scan,
            detections=columns,
        )  # fmt: skip
        return Arrival(f"/radar/{item.sensor}", None, item.stamp_ns, payload)
    if isinstance(item, GatewayFixes):
        fixes = item.fixes
        lon_deg, lat_deg = site.frame.lonlat_from_site(fixes.east_m, fixes.north_m)
        fix = GnssFix(
            terminal=fixes.terminal[0], stamp_ns=int(fixes.stamp_ns[0]), lon_deg=float(lon_deg[0]),
            lat_deg=float(lat_deg[0]), arrived_ns=int(fixes.arrived_ns[0]),
            speed_mps=float(fixes.speed_mps[0]), course_deg=90.0,
        )  # fmt: skip
        return Arrival("/gnss", encode(fix), fix.stamp_ns, fix)
    return Arrival("/input", None, None, item)


def fed(directory, seconds, *, t0_ns=T0_NS, is_stalled=lambda log_ns: False, **options):
    """Feed an agent with the truck's drive; return its series.

    t0_ns : when the drive begins
    is_stalled : says at which log times nothing arrives, as on a busy machine: ticks come several at a time
    """
    site = load_site(EXAMPLE)
    record = msgspec.structs.replace(site.record, esn=ESN)
    FeedClock.shown_ns = t0_ns
    series = Series(directory, ESN, EPOCH, encode(record), t0_ns, **options)
    setup = setups(site, expects_gateway=site.config.gateway is not None, esns=(ESN,))[ESN]
    agent = Agent(Pipeline(setup), FeedClock(0, 0), outbox=NoOutbox(), recorder=series, counts=Counts())
    for log_ns, item in drive(setup, leave, seconds=seconds, t0_ns=t0_ns):
        if isinstance(item, Start | Stop) or not is_stalled(log_ns):
            FeedClock.shown_ns = log_ns
            agent.accept(arrival_of(Start(epoch=EPOCH) if isinstance(item, Start) else item, site))
    series.close()
    return series
