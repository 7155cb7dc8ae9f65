"""Checks of a machine before it serves: each returns ok, warn or fail, and why."""

import os
import shutil
import socket
import time
from pathlib import Path
from typing import Literal, NamedTuple

from edge.config import Site, address_of, is_address
from edge.host import clock_state
from petroroad.processes.broker import BrokerMissingError, program

FREE_BYTES_MIN = 2 * 2**30
FSYNC_MS_MAX = 20.0
Level = Literal["ok", "warn", "fail"]


class Check(NamedTuple):
    """One answer."""

    name: str
    level: Level
    detail: str


def clock() -> Check:
    """Ask the kernel whether anything keeps its clock right; violations carry its time."""
    state = clock_state()
    if state == "free":
        return Check("clock", "warn", "not synchronised: run chrony or a PTP daemon")
    if state == "unknown":
        return Check("clock", "warn", "the kernel does not say whether its clock is synchronised")
    return Check("clock", "ok", "synchronised")


def disk(folder: Path) -> list[Check]:
    """Measure the free space and the time of one commit to disk."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return [Check("disk.space", "fail", str(error))]
    text = f"{usage.free / 2**30:.1f} GiB free at {folder.resolve()}"
    checks = [Check("disk.space", "ok" if usage.free >= FREE_BYTES_MIN else "warn", text)]
    probe = folder / f".doctor-{os.getpid()}"
    try:
        begun_s = time.monotonic()
        with probe.open("wb") as file:
            for _ in range(5):
                file.write(bytes(4_096))
                file.flush()
                os.fsync(file.fileno())
        fsync_ms = (time.monotonic() - begun_s) * 200.0
        level: Level = "ok" if fsync_ms <= FSYNC_MS_MAX else "warn"
        checks.append(Check("disk.fsync", level, f"{fsync_ms:.1f} ms"))
    except OSError as error:
        checks.append(Check("disk.fsync", "fail", str(error)))
    finally:
        probe.unlink(missing_ok=True)
    return checks


def programs() -> list[Check]:
    """Look for the embedded broker's program."""
    try:
        return [Check("broker.program", "ok", program("nats"))]
    except BrokerMissingError as error:
        return [Check("broker.program", "warn", str(error))]


def ports(site: Site) -> list[Check]:
    """Try to listen where the site says; a port in use may be the running service's own."""
    wanted = [("centre.http", "tcp", site.config.centre.http)]
    if site.config.gateway is not None:
        wanted += [("gateway", "tcp", url.partition("://")[2]) for url in site.config.gateway.listeners]
    for rsu in site.config.rsu:
        for radar in rsu.radar:
            wanted.append((f"{rsu.esn}.{radar.id}", "udp", radar.input.partition("://")[2]))
        for gnss in rsu.gnss:  # NMEA comes over UDP as well, by the port of the same number
            wanted.append((f"{rsu.esn}.gnss", "tcp", gnss.input.partition("://")[2]))
        if rsu.health:
            wanted.append((f"{rsu.esn}.health", "tcp", rsu.health))
    return [_port(name, kind, address) for name, kind, address in wanted if is_address(address)]


def _port(name: str, kind: str, address: str) -> Check:
    host, port = address_of(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as probe:
        try:
            if kind == "tcp":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        except OSError as error:
            return Check(f"port.{name}", "warn", f"{kind} {address}: {error.strerror}")
    return Check(f"port.{name}", "ok", f"{kind} {address} is free")
