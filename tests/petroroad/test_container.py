"""The container files: what they copy and run exists, and agrees with their site; nothing is privileged."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from edge.config import load_site
from edge.open_ports import open_ports_of_gateway, open_ports_of_rsu
from edge.site_map import plan_of
from petroroad.cli import build
from petroroad.commands.targets import targets_of
from roadside.gateway.gateway import check_secret
from tests.support.demo_run import ROOT

FOLDER = ROOT / "deploy" / "container"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((FOLDER / "compose.yml").read_text(encoding="utf-8"))
PARTS = {name: each for name, each in COMPOSE["services"].items() if each.get("image") == "petroroad"}
SERVING = {name: each for name, each in PARTS.items() if "entrypoint" not in each}
KNOWN = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "HEALTHCHECK", "RUN", "STOPSIGNAL", "USER", "VOLUME",
    "WORKDIR",
}  # fmt: skip
CONFIG = "/etc/petroroad/site.toml"


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    """What `site/environment` gives each part, as deploy/README.md has it made."""
    made = [line for line in README.splitlines() if "> site/environment" in line]
    (name,) = re.findall(r"echo \"(\w+)=\$\(openssl rand -hex 32\)\"", *made)
    monkeypatch.setenv(name, "5" * 64)


def test_the_shipped_gateway_starts_on_the_network():
    site = load_site(FOLDER / "site" / "site.toml")
    check_secret(site, site.config.gateway.listeners)  # raises, and the process would end with 2 for ever


def test_the_shipped_site_believes_no_stranger():
    site = load_site(FOLDER / "site" / "site.toml")
    assert not list(open_ports_of_gateway(site.config.gateway))
    assert [found for rsu in site.config.rsu for found in open_ports_of_rsu(rsu)] == []
    assert site.config.gateway.registration == "closed"


def instructions():
    """The instructions of the Containerfile as (name, rest), without comments; each line is understood."""
    text = (FOLDER / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [tuple(line.split(None, 1)) for line in "\n".join(lines).replace("\\\n", " ").splitlines()]
    assert {name for name, _ in found} <= KNOWN
    return found


def stages():
    """The instructions of each stage."""
    found = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, rest))
    return found


def test_each_copied_path_is_in_the_source_or_made_by_an_earlier_stage():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    ignored = (FOLDER / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    made = {"/source/centre/static", "/opt/petroroad"}
    for name, rest in instructions():
        *sources, _ = [word for word in rest.split() if not word.startswith("--")]
        for source in sources if name == "COPY" else []:
            if "--from=" in rest:
                assert source in made, source
            else:
                assert any(file == source or file.startswith(f"{source}/") for file in listed.split()), source
                assert f"!{source.split('/')[0]}" in ignored, f"{source} is not sent to the builder"


def test_all_packages_of_the_project_are_in_the_image():
    packages = {name.rstrip("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    copied = {rest.split()[0] for name, rest in instructions() if name == "COPY"}
    assert packages <= copied


def test_the_image_runs_the_program_without_privileges_and_reports_its_health():
    last = dict(stages()[-1])
    names = [name for name, _ in stages()[-1]]
    assert last["ENTRYPOINT"] == '["petroroad"]'
    assert "petroroad" in PROJECT["project"]["scripts"]
    assert last["USER"] == "7808:7808"
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "/readyz" in last["HEALTHCHECK"]
    assert all(
        rest.rpartition(":")[2] not in ("", "latest") for name, rest in instructions() if name == "ARG"
    )
    build_stage, run_stage = (dict(stage)["ENV"] for stage in stages()[1:])
    for setting in ("NUMBA_CPU_NAME=generic", "NUMBA_CACHE_DIR=/opt/petroroad/kernels"):
        assert setting in build_stage, "or the kernels that the build compiled are none for who runs"
        assert setting in run_stage


@pytest.mark.parametrize("name", PARTS)
def test_each_part_has_the_secrets_that_the_site_file_names(name):
    assert PARTS[name]["env_file"] == [{"path": "site/environment", "required": False}], "or it exits with 2"


def test_no_secret_is_in_the_files():
    for path in FOLDER.rglob("*"):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert "PRIVATE KEY" not in text
        for line in text.splitlines():
            assert not re.search(r"(?i)(password|secret|passphrase)\w*\s*[:=]\s*[\"']?\w", line) or (
                "FILE: /run/secrets/" in line or line.strip().startswith("#")
            ), line


@pytest.mark.parametrize("name", SERVING)
def test_each_part_is_a_command_of_the_program_and_nothing_is_privileged(name):
    part = SERVING[name]
    build().parse_args(part["command"], exit_on_error=False, print_error=False)  # raises
    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "user", "cap_add", "devices"} & set(part)
    assert f"./site:{Path(CONFIG).parent}:ro" in part["volumes"]
    state = [volume.split(":")[0] for volume in part["volumes"] if volume.endswith(":/var/lib/petroroad")]
    assert set(state) <= set(COMPOSE["volumes"])
    assert state or name == "gateway", "only a gateway keeps nothing"


def test_compose_runs_the_parts_of_its_site():
    site = load_site(FOLDER / "site" / "site.toml")
    plan_of(site)  # its map
    config = site.config
    esns = [word for part in SERVING.values() for word in _after(part["command"], "--esn")]
    assert esns == [rsu.esn for rsu in config.rsu]
    health = {"gateway": config.gateway.health, "centre": config.centre.health}
    health |= {f"rsu-{i}": rsu.health for i, rsu in enumerate(config.rsu, 1)}
    asked = {
        name: part["environment"]["PETROROAD_HEALTH"] for name, part in SERVING.items() if name != "broker"
    }
    assert asked == health
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    targets = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    (broker,) = _after(SERVING["broker"]["command"], "--health")
    assert sorted(targets) == sorted([*health.values(), broker])
    assert all(address.startswith("127.0.0.1:") for address in targets)


def test_its_prometheus_has_the_alerts_and_the_labels_that_they_need():
    """Without `part` and `unit` half of the alerts and all dashboards show nothing."""
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    mounted = COMPOSE["services"]["prometheus"]["volumes"]
    assert "../alerts.yml:/etc/prometheus/alerts.yml:ro" in mounted
    assert (FOLDER / "../alerts.yml").is_file()
    assert scraped["rule_files"] == ["alerts.yml"]
    (job,) = scraped["scrape_configs"]
    assert job["job_name"] == "petroroad", "the alerts name it"
    found = {address: {} for address in job["static_configs"][0]["targets"]}
    for rule in job["relabel_configs"]:
        for address, labels in found.items():
            if re.fullmatch(rule["regex"], address):
                labels[rule["target_label"]] = rule["replacement"]
    site = load_site(FOLDER / "site" / "site.toml")
    wanted = {each.address: {"part": each.part, "unit": each.unit} for each in targets_of(site)}
    (broker,) = _after(SERVING["broker"]["command"], "--health")
    wanted[broker] = {"part": "broker", "unit": "broker"}
    assert found == wanted


COMMANDS = [line.partition("#")[0].split() for line in README.splitlines() if line.startswith("petroroad ")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_of_the_guide_is_one(words):
    build().parse_args(words[1:], exit_on_error=False, print_error=False)  # raises


def test_the_guide_looks_for_an_rsus_state_where_its_unit_keeps_it():
    unit = (ROOT / "deploy" / "petroroad-rsu@.service").read_text(encoding="utf-8")
    (state,) = re.findall(r"--state (\S+)", unit)
    (words,) = [words for words in COMMANDS if words[1:3] == ["rsu", "backup"]]
    (esn,) = _after(words, "--esn")
    assert _after(words, "--state") == [state.replace("%i", esn)]
    (copied,) = re.findall(r"cp -p (\S+)/recordings/", README)
    assert copied == state.replace("%i", esn)


def _after(words, option):
    return [words[i + 1] for i, word in enumerate(words) if word == option]


def test_what_pki_init_makes_is_what_the_site_names(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for name in ("site.toml", "map.geojson"):
        (site / name).write_bytes((FOLDER / "site" / name).read_bytes())
    (tmp_path / "passphrase").write_text("a long passphrase of a test\n")
    (script,) = COMPOSE["services"]["pki-init"]["command"]
    moves = {
        "/run/secrets/ca_passphrase": tmp_path / "passphrase",
        "/authority": tmp_path / "authority",
        "/site": site,
    }
    for old, new in moves.items():
        script = re.sub(rf"(?<![\w.]){old}(?=[/\s])", str(new), script)
    script = script.replace("chown -R 7808:7808", "test -d")
    program = shlex.join([sys.executable, "-m", "petroroad"])
    done = subprocess.run(
        ["sh", "-euc", script.replace("petroroad pki", f"{program} pki")],
        cwd=ROOT, capture_output=True, text=True, timeout=60.0,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mqtt = load_site(site / "site.toml").config.mqtt
    parts = [
        ("broker", "broker"),
        ("gateway", "GW1"),
        ("rsu", "RSU001"),
        ("rsu", "RSU002"),
        ("centre", "centre"),
    ]
    named = [mqtt.ca_file, mqtt.crl_file, mqtt.parts_file]
    for role, name in parts:
        named += [text.format(role=role, name=name) for text in (mqtt.cert_file, mqtt.key_file)]
    assert [text for text in named if not (site / text.removeprefix("/etc/petroroad/")).is_file()] == []
    assert not list(site.rglob("ca.key")), "the authority's key does not lie on the road"
