"""A gateway and a centre load no compiler, and stay small: real processes, looked at from outside."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from petroroad.processes.ports import kept_port
from tests.support.demo_run import ROOT

EXAMPLE = ROOT / "tests" / "data" / "example"
READY_S = 40.0
# what only judging needs: each of them is loaded as a shared library, which the kernel lists
HEAVY = ("llvmlite", "numba", "scipy", "matplotlib")
RSS_MIB_MAX = 120.0
# of the log, the database and the evidence: what few centres, or few of their minutes, need
UNUSED = (
    "rich.console", "pygments", "alembic", "mako", "sqlalchemy.dialects.postgresql", "sqlalchemy.orm",
    "psycopg", "argon2", "openpyxl", "PIL",
)  # fmt: skip


@pytest.fixture
def site(tmp_path):
    """The example site on free ports; returns (its file, {part: address of /healthz})."""
    text = (EXAMPLE / "site.toml").read_text(encoding="utf-8")
    with ExitStack() as stack:
        ports = [f"127.0.0.1:{stack.enter_context(kept_port())}" for _ in range(4)]
        listener, page, gateway, centre = ports
        text = text.replace("127.0.0.1:17808", listener).replace("127.0.0.1:8080", page)
        text = text.replace('id = "GW1"', f'id = "GW1"\nhealth = "{gateway}"')
        text = text.replace("[centre]", f'[centre]\nhealth = "{centre}"')
        (tmp_path / "site.toml").write_text(text, encoding="utf-8")
        (tmp_path / "map.geojson").write_bytes((EXAMPLE / "map.geojson").read_bytes())
        yield tmp_path / "site.toml", {"gateway": gateway, "centre": centre}


def wait_for(process, url):
    """Wait until the process answers."""
    until_s = time.monotonic() + READY_S
    while time.monotonic() < until_s:
        assert process.poll() is None, process.stderr.read()
        with suppress(OSError), urllib.request.urlopen(url, timeout=1.0) as answer:
            return answer.status
        time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


@pytest.mark.parametrize("part", ["gateway", "centre"])
def test_a_part_that_does_not_judge_loads_no_compiler_and_is_small(site, part):
    path, addresses = site
    command = [sys.executable, "-m", "petroroad", part, "--config", str(path)]
    with subprocess.Popen(
        command,
        cwd=path.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_for(process, f"http://{addresses[part]}/healthz")
            loaded = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
            lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20.0)
    assert [name for name in HEAVY if f"/{name}" in loaded] == []
    (rss,) = (line for line in lines if line.startswith("VmRSS"))
    assert int(rss.split()[1]) / 1024 <= RSS_MIB_MAX


def test_a_centre_on_sqlite_has_loaded_nothing_that_it_has_no_use_for(tmp_path):
    """From the import to a new database; each of these would stay for as long as it runs."""
    program = (
        "import sys; import petroroad.commands.centre; from centre.store import open_database;"
        "open_database(sys.argv[1]).dispose(); print(*sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program, f"sqlite:///{tmp_path / 'centre.sqlite'}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(shown.stdout.split())
    assert {"structlog", "sqlalchemy.dialects.sqlite"} <= loaded
    assert loaded.isdisjoint(UNUSED)


def test_what_the_kernel_lists_of_a_part_that_judges_has_the_compiler():
    """The test above looks at the right place."""
    program = "import core.kernel, pathlib; print(pathlib.Path('/proc/self/maps').read_text())"
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "/llvmlite" in shown.stdout
