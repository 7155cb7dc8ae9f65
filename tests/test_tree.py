"""What grew: sizes of files and functions, and the reach of the pure cores (docs/design.md section 1)."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
PAGE_COLUMNS_MAX = 140
PURE = ("core/", "fusion/", "geofence/", "roadside/pipeline", "roadside/inputs.py", "edge/wire.py")
BANNED_MODULES = {
    "asyncio", "time", "random", "socket", "logging", "structlog", "pathlib", "os", "threading", "subprocess",
    "sqlite3",
}  # fmt: skip


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [ROOT / name for name in sorted(listed.stdout.split()) if (ROOT / name).is_file()]


SOURCES = _tracked("*.py", "centre/web/*.ts", "centre/web/*.css")
PYTHON = [path for path in SOURCES if path.suffix == ".py"]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_root_has_no_stray_files():
    known = {".gitignore", "CHANGELOG.md", "Makefile", "README.md", "constraints.txt", "pyproject.toml"}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert {name for name in listed.split() if "/" not in name} - known == set()


def test_files_stay_small():
    lines = {_name(path): path.read_text(encoding="utf-8").count("\n") for path in SOURCES}
    assert {name: n for name, n in lines.items() if n > FILE_LINES_MAX} == {}


def test_lines_of_the_page_stay_short():
    long = [
        f"{_name(path)}:{number}"
        for path in _tracked("centre/web/*.ts")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > PAGE_COLUMNS_MAX
    ]
    assert long == []


def test_functions_stay_small():
    grown = {
        f"{_name(path)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path in PYTHON
        for node in _functions(path)
        if node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert grown == {}


@pytest.mark.parametrize("path", [p for p in PYTHON if _name(p).startswith(PURE)], ids=_name)
def test_pure_cores_reach_no_world(path):
    """import-linter sees imports through others; open() and numpy.random it can't see."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & BANNED_MODULES
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in BANNED_MODULES
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "open", f"line {node.lineno}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) != ("np", "random"), f"line {node.lineno}"


def test_documents_link_to_what_is_there():
    missing = {
        f"{_name(path)}: {target}"
        for path in _tracked("*.md")
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    }
    assert missing == set()


def test_nothing_of_the_workplace_is_committed():
    """Neither its paths nor addresses of package servers."""
    marks = ("/wor" + "k/", "/bash_" + "jobs", "pypi." + "org", "npm" + "js.org", "pythonhosted" + ".org")
    texts = [
        path for path in _tracked("*") if path.suffix in {".py", ".md", ".toml", ".txt", ".json", ".ts", ""}
    ]
    found = {
        _name(path): mark for path in texts for mark in marks if mark in path.read_text(errors="replace")
    }
    assert found == {}
