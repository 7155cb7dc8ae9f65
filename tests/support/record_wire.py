"""Records what a release sends and keeps, for the tests of later ones.

`python -m tests.support.record_wire TREE OUT`: run it with the tree of the release that is to be kept,
before the next one changes the wire.
"""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict, deque
from pathlib import Path

from edge.config import address_of
from edge.link import Link, LinkSettings
from edge.topics import ROOT, parse

KEPT = 2  # newest messages of each kind
BYTES_MAX = 40_000  # of a message that is kept
DEMO = ("--rsus", "2", "--vehicles", "24", "--duration", "45", "--seed", "3")
SMALL = ("--rsus", "1", "--vehicles", "4", "--duration", "8", "--seed", "3")
# The release's own code makes an outbox whose violations wait
OUTBOX = """
import base64, json, sys
from pathlib import Path
import msgspec
from edge.outbox.changes import Changes
from edge.outbox.store import Store
store, changes, seq = Store(Path(sys.argv[2]), 1_800_000_000), Changes(), 0
for line in Path(sys.argv[1]).read_text().splitlines():
    message = json.loads(line)
    if message["topic"].endswith("violation/up"):
        for item in msgspec.msgpack.decode(base64.b64decode(message["payload"]))["items"]:
            seq += 1
            store.put(changes, seq, item["violation"], None)
store.commit(changes)
store.close()
"""


def kind_of(topic: str) -> str:
    """Return a topic without the names in it."""
    found = parse(topic)
    return "strange" if found is None else f"{found.realm}/{found.tail}"


async def record(tree: Path, folder: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Run the release's demo; return the newest messages of each kind."""
    kept: dict[str, deque[tuple[str, bytes]]] = defaultdict(lambda: deque(maxlen=KEPT))

    def keep(topic: str, payload: bytes, retained: bool) -> None:
        if payload and len(payload) <= BYTES_MAX:
            kept[kind_of(topic)].append((topic, payload))

    command = (sys.executable, "-m", "petroroad", "demo", "--run-dir", str(folder), *DEMO)
    demo = await asyncio.create_subprocess_exec(
        *command, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        while not (folder / "site.toml").exists():
            await asyncio.sleep(0.2)
            assert demo.returncode is None, "the demo ended"
        (broker,) = tomllib.loads((folder / "site.toml").read_text())["mqtt"]["brokers"]
        link = Link(
            LinkSettings(client_id="recorder", addresses=(address_of(broker),)),
            subscriptions=[(f"{ROOT}/#", 0)], on_message=keep,
        )  # fmt: skip
        listening = asyncio.create_task(link.run())
        assert await demo.wait() == 0, "the demo failed"
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    finally:
        with contextlib.suppress(ProcessLookupError):
            demo.terminate()
    return {kind: list(messages) for kind, messages in sorted(kept.items())}


def main() -> int:
    """Write messages, an outbox and a recording of the release."""
    tree, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        kept = asyncio.run(record(tree, Path(folder) / "run"))
        lines = [
            json.dumps({"topic": topic, "payload": base64.b64encode(payload).decode()})
            for messages in kept.values()
            for topic, payload in messages
        ]
        (out / "messages.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        env = os.environ | {"PYTHONPATH": str(tree)}
        files = (str(out / "messages.jsonl"), str(out / "outbox.sqlite"))
        subprocess.run([sys.executable, "-c", OUTBOX, *files], cwd=tree, env=env, check=True)
        small = (sys.executable, "-m", "petroroad", "demo", "--run-dir", f"{folder}/small", *SMALL)
        subprocess.run(small, cwd=tree, env=env, check=True, stdout=subprocess.DEVNULL)
        (recording,) = (
            path for path in Path(folder, "small").glob("*/recordings/*.mcap") if path.parts[-3] != "sim"
        )
        shutil.copyfile(recording, out / "recording.mcap")
    print({kind: len(messages) for kind, messages in kept.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
