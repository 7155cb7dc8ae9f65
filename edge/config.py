"""A site: its TOML file as frozen structs (docs/design.md section 5), with its map, registry and site frame.

An operator's error is a `ConfigError` that names file, key, rule and value. `geofence` compiles the map
itself and checks it.
"""

import codecs
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from core.errors import ConfigError
from core.tables import check_finite, value_at
from edge.client_ids import check_centres, check_client_ids
from edge.permit_table import PermitRow, permit_rows
from edge.radars import check_reflections, pose_of
from edge.registry import registry_rows
from edge.sections import RadarScheme, RsuConfig, SiteConfig
from edge.wire import SiteRecord
from fusion.config import RadarPose, Terminal
from geofence.config import VehicleConfig
from geofence.map.frames import SiteFrame
from geofence.permits import PERMITS_MAX, PermitConfig
from geofence.rule_checks import faults_of

Row = TypeVar("Row")
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
PASSWORD = re.compile(r"[^:/]+://[^:@/]*:([^@/]+)@")  # of a database's URL
RADARS: tuple[str, ...] = get_args(RadarScheme)
RECEIVERS, LISTENERS = ("nmea", "jt808"), ("jt808",)  # schemes
SECRET_LENGTH_MIN = 16
ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
# byte order marks of the programs that operators save files with
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True)
class Site:
    """A loaded site; texts are as read, `${ENV}` unexpanded, as a recording keeps them."""

    config: SiteConfig
    config_text: str
    map_text: str
    registry_text: str | None
    vehicles: tuple[VehicleConfig, ...]
    frame: SiteFrame
    where: str  # file, for messages
    permits_text: str | None = None
    permit_rows: tuple[PermitRow, ...] = ()  # of the file, beside the [[permit]] tables

    def rsu(self, esn: str) -> RsuConfig:
        """Return one RSU's section; ConfigError where the site has none of that name."""
        return self.config.rsu[self.place(esn)]

    def place(self, esn: str) -> int:
        """Return the RSU's index in the file, part of its track ids."""
        esns = [rsu.esn for rsu in self.config.rsu]
        if esn not in esns:
            raise ConfigError(self.where, "rsu", f"the site has {', '.join(esns)}", esn)
        return esns.index(esn)

    def radar_poses(self, esn: str) -> tuple[RadarPose, ...]:
        """Return the RSU's radars in site metres; the convergence is in the boresight."""
        radars = self.rsu(esn).radar
        if not radars:
            return ()
        east, north = self.frame.site_from_lonlat([r.lon_deg for r in radars], [r.lat_deg for r in radars])
        boresight = self.frame.heading_from_course([r.heading_deg for r in radars], east, north)
        places = zip(east.tolist(), north.tolist(), boresight.tolist(), strict=True)
        common = self.config.radars
        return tuple(pose_of(radar, common, place) for radar, place in zip(radars, places, strict=True))

    def terminals(self) -> tuple[Terminal, ...]:
        """Return the registered terminals in the form of the tracker, in the order of `vehicles`."""
        return tuple(
            Terminal(
                terminal=vehicle.terminal,
                length_m=vehicle.length_m,
                width_m=vehicle.width_m,
                antenna_forward_m=vehicle.antenna_m[0],
                antenna_left_m=vehicle.antenna_m[1],
                kind=vehicle.kind,
                clock_offset_s=vehicle.clock_offset_s,
            )
            for vehicle in self.vehicles
        )

    @property
    def permits(self) -> tuple[PermitConfig, ...]:
        """All permits: those of the tables, then those of the file."""
        return (*self.config.permit, *(row.permit for row in self.permit_rows))

    @property
    def unapplied(self) -> tuple[str, ...]:
        """The settings of the file that no part applies yet, each with the consequence."""
        stated = tomllib.loads(self.config_text).get("retention", {})
        return tuple(
            f"[retention] {key} is not applied yet: the centre keeps {what} until deleted by hand"
            for key, what in (("plates_days", "plates"),)
            if key in stated
        )

    @cached_property
    def record(self) -> SiteRecord:
        """The whole site as a recording's `/site`; `msgspec.structs.replace` gives it an esn."""
        return SiteRecord(
            config=self.config_text, map=self.map_text, registry=self.registry_text, permits=self.permits_text
        )


def load_site(path: str | os.PathLike[str]) -> Site:
    """Read a site file with its map, registry and permits; raises ConfigError."""
    file = Path(path)
    text = _read(file, str(file), "")
    tables = _tables(text, str(file))
    map_name = _plain(tables.get("site"), "map")
    map_text = _read(file.parent / map_name, str(file), "site.map") if map_name else ""
    registry_text, permits_text = (
        _read(file.parent / name, str(file), key) if isinstance(name := tables.get(key), str) else None
        for key in ("registry", "permits")
    )
    return parse_site(text, map_text, registry_text, str(file), os.environ, permits_text)


def site_of(record: SiteRecord, where: str) -> Site:
    """Return the site of a recording, whose devices and brokers are not reached; raises ConfigError."""
    return parse_site(record.config, record.map, record.registry, where, permits_text=record.permits)


def parse_site(
    text: str,
    map_text: str,
    registry_text: str | None,
    where: str,
    environ: Mapping[str, str] | None = None,
    permits_text: str | None = None,
) -> Site:
    """Build a site from its texts; raises ConfigError.

    environ : for `${ENV}`; None leaves it unexpanded, as a replay must, which reaches no broker or device
    """
    tables = _tables(text, where)
    if environ is not None:
        _check_secrets(tables, where)
        tables = _expanded(tables, environ, where)
    config = _convert(tables, where)
    check_finite(tables, where)
    frame = SiteFrame(*config.site.origin)
    rows = _table(registry_rows, registry_text, config.registry or "registry")
    permits = _table(permit_rows, permits_text, config.permits or "permits")
    vehicles = (*config.vehicle, *rows)
    site = Site(config, text, map_text, registry_text, vehicles, frame, where, permits_text, permits)
    for check in (_check_names, _check_places, _check_rules, _check_sources):
        check(site)
    check_centres(config, where)
    check_client_ids(config, where)
    check_reflections(config, where)
    if environ is not None:
        _check_addresses(config, where)
    return site


def _table(read: Callable[[str], tuple[Row, ...]], text: str | None, name: str) -> tuple[Row, ...]:
    """Return the rows of a file beside the site's; none without the file."""
    try:
        return () if text is None else read(text)
    except ValueError as error:  # msgspec.ValidationError is one
        raise ConfigError(name, "", str(error)) from error


def read_text(file: Path) -> str:
    """Return the text of a UTF-8 or UTF-16 file, line ends as "\\n"; OSError, or ValueError for neither."""
    data = file.read_bytes()
    for mark, encoding in MARKS:
        if data.startswith(mark):
            data, used = data[len(mark) :], encoding
            break
    else:
        used = "utf-8"
    try:
        text = data.decode(used)
    except UnicodeDecodeError as error:
        rule = f"line {data[: error.start].count(10) + 1}: is not {used.upper()}"
        raise ValueError(f'{rule}: save it as UTF-8 (of a table: "CSV UTF-8")') from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read(file: Path, where: str, key: str) -> str:
    try:
        return read_text(file)
    except (OSError, ValueError) as error:
        raise ConfigError(where, key, f"can't be read: {error}") from error


def _tables(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # the latter: brackets within brackets
        raise ConfigError(where, "", f"is no TOML: {error}") from error


def _plain(table: object, key: str) -> str | None:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) else None


def _check_secrets(tables: dict[str, Any], where: str) -> None:
    """Refuse a secret in the file itself: every recording keeps the whole text."""
    mqtt = tables.get("mqtt")
    password = mqtt.get("password") if isinstance(mqtt, dict) else None
    if password is not None and not VARIABLE.fullmatch(str(password)):
        raise ConfigError(where, "mqtt.password", "must be ${NAME} of an environment variable, never itself")
    gateway = tables.get("gateway")
    secret = gateway.get("secret") if isinstance(gateway, dict) else None
    if secret is not None and not VARIABLE.fullmatch(str(secret)):
        raise ConfigError(where, "gateway.secret", "must be ${NAME} of an environment variable, never itself")
    webhook = tables.get("centre", {}).get("webhook") if isinstance(tables.get("centre"), dict) else None
    signed = webhook.get("secret") if isinstance(webhook, dict) else None
    if signed is not None and not VARIABLE.fullmatch(str(signed)):
        raise ConfigError(where, "centre.webhook.secret", "must be ${NAME} of an environment variable")
    for section in ("centre", "standby"):
        url = PASSWORD.match(_plain(tables.get(section), "database") or "")
        if url is not None and not VARIABLE.fullmatch(url[1]):
            raise ConfigError(where, f"{section}.database", "its password must be ${NAME}, never itself")


def _expanded(tables: dict[str, Any], environ: Mapping[str, str], where: str) -> dict[str, Any]:
    """Expand ${ENV} in the sections of secrets and addresses; never in those that the pipeline reads."""
    result = dict(tables)
    for key in ("mqtt", "centre", "standby"):
        if key in result:
            result[key] = _expand(result[key], environ, where, key)
    gateway = result.get("gateway")
    if isinstance(gateway, dict):
        expanded = {
            key: _expand(gateway[key], environ, where, f"gateway.{key}")
            for key in ("listeners", "secret")
            if key in gateway
        }
        result["gateway"] = gateway | expanded
        if len(str(expanded.get("secret", SECRET_LENGTH_MIN * " "))) < SECRET_LENGTH_MIN:
            rule = f"must have {SECRET_LENGTH_MIN} characters or more: whoever has one code could guess it"
            raise ConfigError(where, "gateway.secret", rule, gateway["secret"])
    return result


def _expand(value: Any, environ: Mapping[str, str], where: str, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _expand(item, environ, where, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, environ, where, f"{key}[{i}]") for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in VARIABLE.findall(value):
        if name not in environ:
            raise ConfigError(where, key, f"the environment has no {name}", value)
    return VARIABLE.sub(lambda found: environ[found[1]], value)


def _convert(tables: dict[str, Any], where: str) -> SiteConfig:
    try:
        return msgspec.convert(tables, SiteConfig)
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`")
        raise ConfigError(where, key, rule, value_at(tables, key)) from error


def _check_names(site: Site) -> None:
    config, where = site.config, site.where
    esns = [rsu.esn for rsu in config.rsu]
    _unique(esns, where, "rsu.esn")
    _unique([radar.id for rsu in config.rsu for radar in rsu.radar], where, "rsu.radar.id")
    _unique([vehicle.terminal for vehicle in site.vehicles], where, "vehicle.terminal")
    if len(site.permits) > PERMITS_MAX:
        raise ConfigError(where, "permits", f"at most {PERMITS_MAX} with the tables", len(site.permits))
    for i, rsu in enumerate(config.rsu):
        for esn in rsu.neighbours:
            if esn not in esns or esn == rsu.esn:
                raise ConfigError(where, f"rsu[{i}].neighbours", "must be other RSUs of the site", esn)


def _unique(names: list[str], where: str, key: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(where, key, "must be unique in the site", name)
        seen.add(name)


def _check_places(site: Site) -> None:
    for i, rsu in enumerate(site.config.rsu):
        if not rsu.stretch_m[0] < rsu.stretch_m[1]:
            raise ConfigError(
                site.where, f"rsu[{i}].stretch_m", "must be [from, to], from < to", rsu.stretch_m
            )
        places = [(f"rsu[{i}]", rsu.lon_deg, rsu.lat_deg)]
        places += [(f"rsu[{i}].radar[{j}]", r.lon_deg, r.lat_deg) for j, r in enumerate(rsu.radar)]
        for key, lon_deg, lat_deg in places:
            if not site.frame.within(lon_deg, lat_deg).all():
                rule = "must lie within 100 km of site.origin"
                raise ConfigError(site.where, f"{key}.lon_deg, lat_deg", rule, (lon_deg, lat_deg))


def _check_rules(site: Site) -> None:
    for fault in faults_of(site.config.rules, site.vehicles):
        raise ConfigError(site.where, *fault)


def _check_sources(site: Site) -> None:
    for i, rsu in enumerate(site.config.rsu):
        found = [(f"rsu[{i}].radar[{j}].from", each.source) for j, each in enumerate(rsu.radar)]
        found += [(f"rsu[{i}].gnss[{j}].from", each.source) for j, each in enumerate(rsu.gnss)]
        for key, source in found:
            try:
                if source is not None:
                    ip_address(source)
            except ValueError as error:
                raise ConfigError(site.where, key, "must be an IP address", source) from error
        for j, receiver in enumerate(rsu.gnss):
            if receiver.source is not None and not receiver.input.startswith("nmea://"):
                rule = "is for nmea:// only: terminals have a code, and change their address"
                raise ConfigError(site.where, f"rsu[{i}].gnss[{j}].from", rule, receiver.source)


def _check_addresses(config: SiteConfig, where: str) -> None:
    found = [("centre.http", config.centre.http), ("centre.health", config.centre.health)]
    if config.standby is not None:
        found += [("standby.http", config.standby.http), ("standby.health", config.standby.health)]
    found += [(f"mqtt.brokers[{i}]", address) for i, address in enumerate(config.mqtt.brokers)]
    found += [(f"nats.servers[{i}]", address) for i, address in enumerate(config.nats.servers)]
    found += [(f"rsu[{i}].health", rsu.health) for i, rsu in enumerate(config.rsu)]
    urls: list[tuple[str, str, tuple[str, ...]]] = []
    if config.gateway is not None:
        found += [("gateway.health", config.gateway.health)]
        urls += [
            (f"gateway.listeners[{i}]", url, LISTENERS) for i, url in enumerate(config.gateway.listeners)
        ]
    for i, rsu in enumerate(config.rsu):
        urls += [(f"rsu[{i}].radar[{j}].input", radar.input, RADARS) for j, radar in enumerate(rsu.radar)]
        urls += [(f"rsu[{i}].gnss[{j}].input", gnss.input, RECEIVERS) for j, gnss in enumerate(rsu.gnss)]
    for key, address in found:
        if address is not None and not is_address(address):
            raise ConfigError(where, key, "must be HOST:PORT", address)
    for key, url, schemes in urls:
        scheme, _, rest = url.partition("://")
        if scheme not in schemes:
            raise ConfigError(where, key, f"must be {' or '.join(f'{name}://' for name in schemes)}", url)
        if not is_address(rest):
            raise ConfigError(where, key, "must be SCHEME://HOST:PORT", url)


def is_address(text: str) -> bool:
    """Say whether this is HOST:PORT (the host of IPv6 in brackets)."""
    found = ADDRESS.fullmatch(text)
    return found is not None and 1 <= int(found[2]) <= 65_535


def address_of(text: str) -> tuple[str, int]:
    """Return (host, port) of a checked HOST:PORT or SCHEME://HOST:PORT, without the brackets of IPv6."""
    host, _, port = text.rpartition("://")[2].rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Say whether only programs of this machine reach a listener on this host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"
