"""Small disks that are filled and healed: a tmpfs in mounts of its own, and a limit of file sizes."""

import subprocess
import sys

from petroroad.chaos.disks import LIMIT_BYTES, Disk
from tests.support.demo_run import ROOT

WRITER = """
import sys
for line in sys.stdin:
    with open("{path}", "ab", buffering=0) as file:
        try:
            print(file.write(bytes(int(line))), flush=True)
        except OSError as error:
            print(type(error).__name__, error.errno, flush=True)
"""
IN_OWN_MOUNTS = """
from pathlib import Path
from petroroad.chaos.disks import Disk, private_mounts
assert private_mounts()
disk = Disk(Path({folder!r}), has_mounts=True)
assert disk.kind == "tmpfs"
(disk.folder / "before").write_bytes(bytes(1_000_000))
disk.fill(None)
try:
    (disk.folder / "full").write_bytes(bytes(10_000))
    raise SystemExit("there was room")
except OSError as error:
    assert error.errno == 28
disk.fill(None)  # again, without harm
disk.heal(None)
(disk.folder / "after").write_bytes(bytes(10_000))
assert (disk.folder / "before").stat().st_size == 1_000_000
"""


def test_a_limit_of_file_sizes_refuses_what_grows_and_is_taken_back(tmp_path):
    disk = Disk(tmp_path / "outbox", has_mounts=False)
    assert disk.kind == "file size limit"
    script = WRITER.format(path=disk.folder / "file")
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:

        def write(n_bytes):
            writer.stdin.write(f"{n_bytes}\n")
            writer.stdin.flush()
            return writer.stdout.readline().strip()

        assert write(LIMIT_BYTES) == str(LIMIT_BYTES)
        disk.fill(writer.pid)
        assert write(1) == "OSError 27"  # EFBIG
        disk.heal(writer.pid)
        assert write(1) == "1"
        writer.stdin.close()
    disk.fill(writer.pid)  # it is gone: no error


def test_a_tmpfs_is_filled_and_healed_and_seen_by_nobody_else(tmp_path):
    allowed = subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0
    if not allowed:  # no root, or a container without the right: chaos limits file sizes there
        asked = "from petroroad.chaos.disks import private_mounts; raise SystemExit(private_mounts())"
        assert subprocess.run([sys.executable, "-c", asked], cwd=ROOT).returncode == 0
        return
    folder = tmp_path / "outbox"
    script = IN_OWN_MOUNTS.format(folder=str(folder))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
