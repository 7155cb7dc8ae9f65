"""An outbox with its recording in a process of its own, which is killed: what waits is on its disk alone."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from edge.clock import Clock

ROOT = Path(__file__).resolve().parents[2]
ESN = "RSU-1"
N_DONE, N_WAITING = 10, 15
CHILD = """
import asyncio, pathlib, sys
from edge.clock import Clock
from edge.outbox.outbox import Outbox
from edge.recording.recorder import Recorder
from edge.wire import ViolationAck
from tests.support.outbox_end import Wire
from tests.support.outbox_killed import ESN, N_DONE, N_WAITING, body

async def main(folder, idle_s):
    clock = Clock.wall()
    recordings = folder / "recordings"
    outbox = await Outbox.open(folder / "outbox" / "o.sqlite", clock=clock, recordings=recordings, esn=ESN)
    recorder = Recorder(recordings / f"{ESN}-{outbox.epoch}.mcap", live=True)
    outbox.start(
        recorder.close_chunk, record=lambda body: recorder.write(f"/delivery/{ESN}", body, clock.now_ns())
    )
    wire = Wire()
    task = asyncio.create_task(outbox.run(wire.send))
    for i in range(N_DONE + N_WAITING):
        recorder.write(f"/violation/{ESN}", body(i), clock.now_ns())
        outbox.put(body(i), clock.now_ns(), f"id-{i}", b"open" if i % 2 else None)
    while len(wire.keys()) < N_DONE + N_WAITING:
        await asyncio.sleep(0.01)
    outbox.acknowledge(ViolationAck(centre="c", epoch=outbox.epoch, stored=tuple(range(1, N_DONE + 1))))
    await asyncio.sleep(0.7 + idle_s)  # the acknowledgements' chunk is on the disk
    print("stored", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(pathlib.Path(sys.argv[1]), float(sys.argv[2])))
"""


def body(i: int) -> bytes:
    """Return a violation's bytes, as long as real ones are."""
    filler = bytes((i * 7 + k) % 251 for k in range(2_500))
    return msgspec.msgpack.encode({"id": f"id-{i}", "version": 1, "speed": 1_000 + i, "evidence": filler})


WAITING = {body(i) for i in range(N_DONE, N_DONE + N_WAITING)}
DONE = {body(i) for i in range(N_DONE)}


def leave_behind(folder: Path, *, idle_s: float = 0.0) -> None:
    """Let a process store the items, the first N_DONE acknowledged, and kill it.

    idle_s : so long it has nothing to do: the WAL is moved into the file after a second
    """
    command = [sys.executable, "-c", CHILD, str(folder), str(idle_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "stored\n"
        child.send_signal(signal.SIGKILL)


def wall() -> Clock:
    """Return the clock of a restart."""
    return Clock.wall()
