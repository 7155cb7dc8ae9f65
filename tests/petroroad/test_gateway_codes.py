"""`petroroad gateway --codes`: for whoever sets up terminals that no gateway hands a code to."""

import shutil
from pathlib import Path

import pytest

from petroroad.__main__ import main
from roadside.devices.jt808.codes import codes_of
from tests.support.roadside_drive import EXAMPLE

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLE.parent, folder)
    path = folder / EXAMPLE.name
    text = path.read_text(encoding="utf-8")
    assert "[gateway]\n" in text
    path.write_text(text.replace("[gateway]\n", '[gateway]\nsecret = "${SECRET}"\n'), encoding="utf-8")
    return path


def test_the_codes_are_those_that_the_gateway_expects(site, monkeypatch, capsys):
    monkeypatch.setenv("SECRET", SECRET)
    assert main(["gateway", "--config", str(site), "--codes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "terminal,code"
    assert f"13900000001,{codes_of(SECRET.encode())('13900000001')}" in lines


def test_without_a_secret_there_are_none_to_print(capsys):
    assert main(["gateway", "--config", str(EXAMPLE), "--codes"]) == 2
    assert "gateway.secret" in capsys.readouterr().err
