"""What the broker knows of centres, RSUs and gateways: their retained statuses, and live heartbeats."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from core.errors import ConfigError
from core.times import NS
from edge import topics, wire
from edge.centre_status import CentreSeen, CentreStatus, decode_centre_status
from edge.config import Site
from edge.link import Link, link_settings
from edge.rights import EVERYTHING, rights_of
from edge.tls import Holder, is_secure
from petroroad.doctor.broker_checks import holders_here
from petroroad.doctor.checks import Check
from petroroad.doctor.peer_checks import own_clock, peer_checks
from petroroad.operators import operator

LISTEN_S = 3.0  # a centre's heartbeat comes each 2 s
REACH_S = 8.0  # two handshakes, and another try, on a busy machine


@dataclass(slots=True)
class _Heard:
    centres: dict[str, CentreStatus] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)  # centres with a heartbeat while we listened
    seen: dict[str, tuple[CentreSeen, ...]] = field(default_factory=dict)  # by RSU
    units: dict[str, wire.Status | wire.GatewayStatus] = field(default_factory=dict)
    live_units: set[str] = field(default_factory=set)
    ages_s: dict[str, float] = field(default_factory=dict)  # the least age of a centre's heartbeat here
    n_unreadable: int = 0

    def receive(self, topic: str, payload: bytes, retained: bool) -> None:
        parts = topics.parse(topic)
        if parts is None:
            return
        try:
            if parts.realm != "centre":
                self._receive_unit(parts.realm, parts.name, payload, retained=retained)
                return
            status = decode_centre_status(payload)
        except (msgspec.DecodeError, ValueError):  # another version's
            self.n_unreadable += 1
            return
        self.centres[status.centre] = status
        if not retained and status.state == "online":
            self.live.add(status.centre)
            age_s = (time.time_ns() - status.stamp_ns) / NS
            self.ages_s[status.centre] = min(age_s, self.ages_s.get(status.centre, age_s), key=abs)

    def _receive_unit(self, realm: str, name: str, payload: bytes, *, retained: bool) -> None:
        decode = wire.decode_status if realm == "rsu" else wire.decode_gateway_status
        self.units[name] = status = decode(payload)
        if isinstance(status, wire.Status):
            self.seen[name] = status.centres
        if not retained and status.state == "online":
            self.live_units.add(name)


class _Reader(NamedTuple):
    """As whom we look, and whether that part may read all statuses; holder None: without a name."""

    holder: Holder | None
    reads_all: bool


def centre_checks(site: Site) -> list[Check]:
    """Return which centres serve, which parts live, and who acknowledged each RSU last."""
    if not site.config.mqtt.brokers:
        return []
    reader = _reader(site)
    if reader is None:
        return [Check("centre", "warn", "no part has its certificate on this machine: not known")]
    try:
        heard = asyncio.run(_listen(site, reader))
    except ConfigError as error:
        return [Check("centre", "fail", str(error))]
    if heard is None:
        return [Check("centre", "warn", "no broker was reached: not known")]
    wanted = [site.config.centre.id] + ([] if site.config.standby is None else [site.config.standby.id])
    names = list(dict.fromkeys([*wanted, *heard.centres]))
    checks = [_centre(site, name, heard, is_wanted=name in wanted) for name in names]
    checks += own_clock(heard.ages_s)
    if not reader.reads_all:
        who = "" if reader.holder is None else "{} {}".format(*reader.holder)
        text = f"not known: {who} may read centres only; run it where the centre's or an operator's pair is"
        return [*checks, Check("peers", "ok", text)]
    return [
        *checks,
        *peer_checks(site, heard.units, frozenset(heard.live_units)),
        *_acknowledgements(site, heard),
    ]


def _centre(site: Site, name: str, heard: _Heard, *, is_wanted: bool) -> Check:
    status = heard.centres.get(name)
    if status is None:
        return Check(f"centre.{name}", "warn", "has no status on this broker: never started, or an older one")
    text = (
        f"{status.state}, database {status.database}, start {_time(status.epoch)}, version {status.version}"
    )
    if not is_wanted:
        return Check(f"centre.{name}", "warn", f"{text}: this site file does not name it")
    if name not in heard.live:
        gone = "" if status.state == "offline" else f": no heartbeat within {LISTEN_S:g} s"
        return Check(f"centre.{name}", "warn", text + gone)
    if not status.ready:
        return Check(f"centre.{name}", "fail", f"{text}: its database can't be read or written")
    if status.acks != site.config.centre.acks:
        other = f"its site file has acks = {status.acks}, this one {site.config.centre.acks}"
        return Check(f"centre.{name}", "warn", f"{text}: {other}")
    return Check(f"centre.{name}", "ok", text)


def _acknowledgements(site: Site, heard: _Heard) -> list[Check]:
    checks = []
    for rsu in site.config.rsu:
        acked = [one for one in heard.seen.get(rsu.esn, ()) if one.acked_ns is not None]
        last = max(acked, key=lambda one: one.acked_ns or 0, default=None)
        if last is None or last.acked_ns is None or last.since_ns is None:
            continue  # it has sent nothing since its start, or there is none
        when, since = _time(last.acked_ns // 10**9), _time(last.since_ns // 10**9)
        text = f"acknowledged last by {last.centre} at {when}, by no other one since {since}"
        checks.append(Check(f"{rsu.esn}.centre", "ok", text))
    return checks


def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _reader(site: Site) -> _Reader | None:
    """Return the part with a certificate here that may read most; None where there is none."""
    mqtt = site.config.mqtt
    if not is_secure(mqtt) or "{" not in str(mqtt.cert_file):
        return _Reader(None, reads_all=True)
    rights = {Holder(each.role, each.name): each for each in rights_of(site.config, [operator().name])}
    here = [holder for holder in holders_here(site) if holder in rights]  # a broker or a worker reads nothing
    found = [_Reader(holder, EVERYTHING in rights[holder].read) for holder in here]
    return max(found, key=lambda reader: reader.reads_all, default=None)


async def _listen(site: Site, reader: _Reader) -> _Heard | None:
    """Return what the broker has and what comes within LISTEN_S; None where no broker answers."""
    heard, up = _Heard(), asyncio.Event()
    settings = link_settings(site.config.mqtt, f"doctor-{os.getpid()}", site.where, reader.holder)
    wanted = [(topics.centre_status("+"), 1), (topics.status("+"), 1), (topics.gateway_status("+"), 1)]
    if not reader.reads_all:
        wanted = wanted[:1]
    link = Link(settings, subscriptions=wanted, on_message=heard.receive, on_up=up.set)
    serving = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(REACH_S):
            await up.wait()
        await asyncio.sleep(LISTEN_S)
        return heard
    except TimeoutError:
        return None
    finally:
        serving.cancel()
        await asyncio.wait([serving])
