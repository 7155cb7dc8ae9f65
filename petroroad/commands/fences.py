"""`petroroad fences`: a map's zones as fences for JT/T 808 terminals, and a terminal's fences as zones."""

import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import uvloop
from cyclopts import App, Parameter, validators

from core.classes import HAZMAT
from core.errors import CommandError, ConfigError, DeviceError, UsageError
from edge.config import load_site, read_text
from edge.site_map import plan_of
from petroroad.commands.running import check_output, until_signal
from petroroad.fences_sending import send_fences
from roadside.devices.jt808 import fences, frame
from roadside.devices.jt808.fences import Fence
from roadside.site_fences import fences_for
from roadside.zone_fences import features_of

app = App(name="fences", help="Zones as fences of JT/T 808 terminals, and back.")
AsJson = Annotated[bool, Parameter(name="--json", negative=())]
WaitS = Annotated[float, Parameter(name="--wait", validator=validators.Number(gt=0.0, lte=600.0))]
VERSION_2019 = 1


@app.command
def export(
    site: Path,
    out: Path,
    /,
    *,
    edition: Literal["2013", "2019"] = "2019",
    terminal: str | None = None,
    as_json: AsJson = False,
) -> None:
    """Write the messages that set a site's zones in a terminal, one JSON line each.

    Parameters
    ----------
    site
        A site file.
    out
        The file to write.
    edition
        Of the terminal.
    terminal
        Whose exemptions and permits count; without one, zones that are open to some vehicles are left out.
    as_json
        One JSON object on stdout.
    """
    check_output(out, site)
    loaded = load_site(site)
    found = fences_for(loaded, plan_of(loaded).zones, terminal, time.time_ns())
    version = VERSION_2019 if edition == "2019" else None
    lines = [
        json.dumps(_line(fence, fences.encode_set(fence, version), edition), ensure_ascii=False)
        for fence in found.fences
    ]
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    left_out = [{"zone": zone, "reason": reason} for zone, reason in found.left_out]
    if as_json:
        print(json.dumps({"fences": len(lines), "left_out": left_out}, ensure_ascii=False))
        return
    print(f"{out}: {len(lines)} fences")
    for row in left_out:
        print(f"  left out: {row['zone']}: {row['reason']}")


@app.command(name="import")
def import_(path: Path, out: Path, /, *, as_json: AsJson = False) -> None:
    """Write the zones of a terminal's fences as a GeoJSON map.

    Parameters
    ----------
    path
        Lines of `fences export`, or whole frames in hexadecimal digits, one a line.
    out
        The map to write.
    as_json
        One JSON object on stdout.
    """
    check_output(out, path)
    found: list[Fence] = []
    for number, line in enumerate(_lines(path), 1):
        try:
            found += _fences_of(line)
        except (DeviceError, ValueError, KeyError, TypeError) as error:  # whatever the line holds
            raise ConfigError(str(path), f"line {number}", f"is no message of fences: {error}") from error
    try:
        imported = features_of(found)
    except ValueError as error:
        raise ConfigError(str(path), "", str(error)) from error
    document = {"type": "FeatureCollection", "version": "1", "features": imported.features}
    out.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    left_out = [{"fence": name, "reason": reason} for name, reason in imported.left_out]
    dropped = {kind: n_times for kind, n_times in imported.dropped.items() if n_times}
    if as_json:
        facts = {"zones": len(imported.features), "left_out": left_out, "dropped": dropped}
        print(json.dumps(facts, ensure_ascii=False))
        return
    print(f"{out}: {len(imported.features)} zones")
    for row in left_out:
        print(f"  left out: {row['fence']}: {row['reason']}")
    for kind, n_times in dropped.items():
        print(f"  not in a zone: {kind}, {n_times} times")


@app.command
def send(
    site: Path,
    /,
    *,
    terminal: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=True)] = None,
    wait_s: WaitS = 15.0,
    as_json: AsJson = False,
) -> None:
    """Let a site's gateway set its zones in terminals, in place of their polygons; wait for their answers.

    Parameters
    ----------
    site
        The site file, which names gateway and brokers.
    terminal
        Terminals by their ids; without any, all hazmat vehicles of the registry.
    wait_s
        How long to wait for each answer [s].
    as_json
        One JSON object on stdout.
    """
    loaded = load_site(site)
    registered = [vehicle.terminal for vehicle in loaded.vehicles]
    named = terminal or [vehicle.terminal for vehicle in loaded.vehicles if vehicle.kind == HAZMAT]
    if unknown := sorted(set(named) - set(registered)):
        raise UsageError(f"not in the registry: {', '.join(unknown)}")
    outcomes: dict[str, str] = {}
    uvloop.run(until_signal(send_fences(loaded, list(dict.fromkeys(named)), wait_s, outcomes)))
    if as_json:
        print(json.dumps(outcomes, ensure_ascii=False), flush=True)
    else:
        for name, outcome in outcomes.items():
            print(f"{name}  {outcome}", flush=True)
    bad = [name for name in named if outcomes.get(name) != "delivered"]
    if bad:
        raise CommandError(f"not delivered to {', '.join(bad)}")


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in read_text(path).splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), "", f"can't be read: {error}") from error


def _line(fence: Fence, body: bytes, edition: str) -> dict[str, Any]:
    number = fences.SET[fence.kind]
    return {"message": f"{number:04x}", "edition": edition, "name": fence.name, "body": body.hex()}


def _fences_of(line: str) -> list[Fence]:
    if line.lstrip().startswith("{"):
        row = json.loads(line)
        version = VERSION_2019 if row["edition"] == "2019" else None
        return fences.decode_set(int(row["message"], 16), bytes.fromhex(row["body"]), version)
    found = frame.decode(bytes.fromhex(line.strip()).strip(frame.DELIMITER))
    return fences.decode_set(found.msg_id, found.body, found.version)
