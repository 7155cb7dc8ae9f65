"""`petroroad rules`: check a rule book, see what another one would change, publish it to the RSUs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import uvloop
from cyclopts import App, Parameter, validators

from core.errors import CommandError, UsageError
from edge.config import Site, load_site
from edge.config_down import packed_map
from edge.site_map import road_of
from petroroad.commands.running import until_signal
from petroroad.rules_dry_run import DryRun, compared
from petroroad.rules_files import checked_rules, rules_text
from petroroad.rules_publishing import publish_rules

app = App(name="rules", help="Check rules, see what they would change, publish them.")
AsJson = Annotated[bool, Parameter(name="--json", negative=())]
WaitS = Annotated[float, Parameter(name="--wait", validator=validators.Number(gt=0.0, lte=600.0))]


@app.command
def check(path: Path, /, *, site: Path | None = None, as_json: AsJson = False) -> None:
    """Check the rules of a file; print the first that makes no sense.

    Parameters
    ----------
    path
        A TOML file with `[rules]`: a site file, or one with that table alone.
    site
        A site file: its map has the zones and roads that the rules name, its registry the vehicles.
    as_json
        One JSON object on stdout.
    """
    rules = checked_rules(path, _site(path, site))
    facts = {"rules": str(path), "version": rules.version}
    print(json.dumps(facts, ensure_ascii=False) if as_json else f"{path}: sound; version {rules.version}")


@app.command
def diff(
    old: Path,
    new: Path,
    /,
    *,
    site: Path | None = None,
    recording: Annotated[list[Path] | None, Parameter(negative=(), consume_multiple=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Say what other rules would change, in the keys and over recordings; nothing is published.

    Parameters
    ----------
    old
        A TOML file with the rules of now.
    new
        One with other rules.
    site
        A site file, if neither of them is one.
    recording
        Recordings, which are replayed with both: which violations would be raised, which would vanish. Files
        of a series that follow each other are one recording, a directory stands for all of its files.
    as_json
        One JSON object on stdout.
    """
    used = _site(old, site) or _site(new, None)
    found = compared(checked_rules(old, used), checked_rules(new, used), recording or (), used)
    print(json.dumps(found.plain(), ensure_ascii=False) if as_json else _text(found), flush=True)


@app.command
def publish(
    path: Path, /, *, config: Path, map: Path | None = None, wait_s: WaitS = 15.0, as_json: AsJson = False
) -> None:
    """Publish rules, and a map if one is named, to all RSUs of a site; wait until each has answered.

    Parameters
    ----------
    path
        A TOML file with `[rules]`: the site file itself, or one with that table alone.
    config
        The site file, which names RSUs and brokers.
    map
        A map of the same roads; without one that of now stays. Gateway and centre read that of the site
        file at their next start.
    wait_s
        How long to wait for the RSUs [s]; one that is away gets the rules when it connects.
    as_json
        One JSON object on stdout.
    """
    site = load_site(config)
    answers: dict[str, str] = {}
    packed = None
    if map is not None:
        packed, checked_by = _packed(map, site)
    checked_rules(path, site if map is None else checked_by)
    uvloop.run(until_signal(publish_rules(site, rules_text(path), wait_s, answers, packed)))
    if as_json:
        print(json.dumps(answers, ensure_ascii=False), flush=True)
    else:
        for esn, answer in answers.items():
            print(f"{esn}  {answer}", flush=True)
    bad = [rsu.esn for rsu in site.config.rsu if answers.get(rsu.esn) != "accepted"]
    if bad:
        raise CommandError(f"not accepted by {', '.join(bad)}")


def _packed(path: Path, site: Site) -> tuple[bytes, Site]:
    """Return a map as a publication carries it, checked against the site; and the site on that map."""
    try:
        text = path.read_text(encoding="utf-8")
        packed = packed_map(text)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from error
    named = msgspec.structs.replace(site.config.site, map=str(path))
    on_map = replace(site, config=msgspec.structs.replace(site.config, site=named), map_text=text)
    if road_of(on_map).axis is None:
        raise CommandError(f"{path}: a map must have lanes or an axis; each RSU would refuse it")
    return packed, on_map


def _site(path: Path, site: Path | None) -> Site | None:
    """Return the site that is named, or the file itself where it is one."""
    if site is not None:
        return load_site(site)
    if not path.exists():
        raise UsageError(f"{path}: no such file")
    return load_site(path) if "[site]" in path.read_text(encoding="utf-8", errors="replace") else None


def _text(found: DryRun) -> str:
    lines = [f"{key}: {_shown(old)} -> {_shown(new)}" for key, old, new in found.keys]
    lines = lines or ["no key differs"]
    for title, rows in (("vanish", found.vanish), ("new", found.appear)):
        lines += [f"{title}: {row['rule']} {row['grade']} {row['vehicle'] or ''} {row['id']}" for row in rows]
    if found.kept is not None:
        lines.append(f"{found.kept} violations stay, {len(found.vanish)} vanish, {len(found.appear)} are new")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
