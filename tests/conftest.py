"""What every test stands on: the kernels' cache before the first import, order, and what a skip means."""

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Generator
from glob import glob
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from petroroad import numba_cache

# whatever the environment says, what Python compiles is kept: each of hundreds of processes would do it anew
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

numba_cache.prepare()
settings.register_profile("petroroad", deadline=None, max_examples=20)  # a busy machine is no counter-example
settings.register_profile("long", deadline=None, max_examples=300)
settings.load_profile("petroroad")

# under `nohup` or as a script's job this process ignores SIGINT, and what it starts would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)

ONLY_AND = re.compile(r"(not )?\w+( and (not )?\w+)*")  # where a test needs each mark that is named
MARKS_WANTED = re.compile(r"(?<!not )\b(?!not\b|and\b)\w+")

IN_CI = os.environ.get("CI") == "true"
APT = {  # program: Debian's package
    "mosquitto": "mosquitto", "chromium": "chromium", "initdb": "postgresql", "promtool": "prometheus",
}  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked long too")


def pytest_configure(config: pytest.Config) -> None:
    """Try more examples of each property where there is time."""
    if config.getoption("--long"):
        settings.load_profile("long")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files unread that lack a mark which `-m` asks for: to import all of them costs half a minute."""
    asked = config.option.markexpr
    is_test = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    if not is_test or not ONLY_AND.fullmatch(asked):
        return None
    text = collection_path.read_text(encoding="utf-8")
    return True if any(f"mark.{mark}" not in text for mark in MARKS_WANTED.findall(asked)) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out unless asked for, and run the unit tests first: they find most mistakes."""
    if not config.getoption("--long"):
        config.hook.pytest_deselected(items=[item for item in items if "long" in item.keywords])
        items[:] = [item for item in items if "long" not in item.keywords]
    items.sort(key=lambda item: "e2e" in item.keywords)


@pytest.fixture(autouse=True)
def _log_of_one_test() -> Generator[None]:
    """Forget the logger that a command set up: it writes to the stderr of its own test, which is closed."""
    yield
    structlog.reset_defaults()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI nothing may be skipped: what could not be tried is a failure."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {reason}"
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio only: the product uses no other loop."""
    return "asyncio"


RUNS = Path(__file__).resolve().parents[1] / "runs"
GIVEN = pytest.StashKey[list[Path]]()  # run folders of this session


@pytest.fixture(scope="session")
def run_folder(request: pytest.FixtureRequest) -> Generator[Callable[[str], Path]]:
    """Give end-to-end runs a folder each under `runs/`; kept, and named at the end, when a test failed."""
    given = request.config.stash.setdefault(GIVEN, [])

    def folder(name: str) -> Path:
        path = RUNS / f"test-{name}"
        shutil.rmtree(path, ignore_errors=True)
        given.append(path)
        return path

    yield folder
    if not request.session.testsfailed:
        for path in given:
            shutil.rmtree(path, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded, the run folders of what failed, and the apt line for what was skipped."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
    if terminalreporter.stats.get("failed"):
        for path in terminalreporter.config.stash.get(GIVEN, []):
            terminalreporter.write_line(f"run directory kept: {path}")
    missing = [package for program, package in APT.items() if find_program(program) is None]
    if terminalreporter.stats.get("skipped") and missing:
        terminalreporter.write_line(f"to run the skipped tests too: sudo apt-get install {' '.join(missing)}")


def find_program(name: str) -> str | None:
    """Return the program's path; Debian keeps daemons where a user's PATH does not look."""
    folders = ["/usr/sbin", "/usr/local/sbin", *sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    return shutil.which(name) or shutil.which(name, path=":".join(folders))
