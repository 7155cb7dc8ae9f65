"""An evidence file is opened without trust: what can't be unpacked is said, never a bug."""

import zipfile
from pathlib import Path

import pytest

from petroroad.evidence.archive import FalseError, opened


def _zip(path: Path, how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        archive.writestr("manifest.json", bytes(range(256)) * 40)
    return path


def test_a_changed_byte_within_a_packed_member_is_a_fault(tmp_path: Path) -> None:
    path = _zip(tmp_path / "file.zip")
    body = bytearray(path.read_bytes())
    at = 30 + len("manifest.json")
    body[at] = 0xFF  # no block of deflate begins so
    path.write_bytes(body)
    with pytest.raises(FalseError, match=r"manifest\.json: can't be unpacked"), opened(path):
        pass


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_no_centre_packs_is_refused(tmp_path: Path, how: int) -> None:
    with pytest.raises(FalseError, match="packed as no centre packs"), opened(_zip(tmp_path / "a.zip", how)):
        pass
