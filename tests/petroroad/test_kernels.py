"""What says that no kernel needs compiling, so that a demo need not ask for it."""

import os

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


@pytest.mark.parametrize("what", ["elsewhere", "again"])
def test_the_same_sources_in_another_clone_compile_anew(cache, monkeypatch, tmp_path_factory, what):
    """Numba tells its entries by the sources' paths and times: a clone made again has neither compiled."""
    clone = tmp_path_factory.mktemp("clone")
    source = clone / "fusion" / "filter.py"
    source.parent.mkdir()
    source.write_text("")
    monkeypatch.setattr(kernels.numba_cache, "declaring", lambda: [source])
    kernels.main()
    assert kernels.all_compiled()
    if what == "again":
        os.utime(source, ns=(0, 0))
    else:
        monkeypatch.setattr(kernels.numba_cache, "ROOT", clone)
    assert not kernels.all_compiled()


def test_what_a_kernel_imports_by_its_package_is_a_source_too():
    """`from fusion import layout as at`: compiled code holds its constants."""
    found = {path.relative_to(kernels.numba_cache.ROOT).as_posix() for path in kernels.numba_cache.sources()}
    assert {"fusion/layout.py", "fusion/models/__init__.py", "core/times.py"} <= found
