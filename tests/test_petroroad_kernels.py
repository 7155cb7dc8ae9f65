"""What says that no kernel needs compiling, so that a demo need not ask for it."""

import pytest

from petroroad import kernels


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernels, "_compile", lambda: None)
    return tmp_path


def test_compiled_kernels_are_remembered(cache):
    assert not kernels.all_compiled()
    assert kernels.main() == 0
    assert kernels.all_compiled()


def test_another_version_or_cpu_compiles_anew(cache, monkeypatch):
    kernels.main()
    monkeypatch.setattr(kernels, "versions", lambda: {"numba": "another"})
    assert not kernels.all_compiled()
