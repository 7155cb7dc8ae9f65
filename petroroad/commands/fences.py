"""`petroroad fences`: a map's zones as fences for JT/T 808 terminals, and a terminal's fences as zones."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from core.errors import ConfigError, DeviceError
from edge.config import load_site, read_text
from edge.site_map import road_of
from petroroad.commands.running import check_output
from roadside.devices.jt808 import fences, frame
from roadside.devices.jt808.fences import Fence
from roadside.zone_fences import features_of, fences_of

app = App(name="fences", help="Zones as fences of JT/T 808 terminals, and back.")
AsJson = Annotated[bool, Parameter(name="--json", negative=())]
VERSION_2019 = 1


@app.command
def export(
    site: Path, out: Path, /, *, edition: Literal["2013", "2019"] = "2019", as_json: AsJson = False
) -> None:
    """Write the messages that set a site's no-entry and no-exit zones in a terminal, one JSON line each.

    Parameters
    ----------
    site
        A site file.
    out
        The file to write.
    edition
        Of the terminal.
    as_json
        One JSON object on stdout.
    """
    check_output(out, site)
    loaded = load_site(site)
    found = fences_of(road_of(loaded).zones, loaded.frame)
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
        features = features_of(found)
    except ValueError as error:
        raise ConfigError(str(path), "", str(error)) from error
    document = {"type": "FeatureCollection", "version": "1", "features": features}
    out.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps({"zones": len(features)}) if as_json else f"{out}: {len(features)} zones")


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
