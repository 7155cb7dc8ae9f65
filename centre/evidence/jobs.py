"""Makes the evidence files that were asked for, one after another, and goes on with them after a restart."""

import asyncio
import contextlib
import hashlib
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from centre.accounts.actor import Actor
from centre.ages import known_ns
from centre.audit.log import Act, append
from centre.changes import Change
from centre.database import Database
from centre.evidence import bundle as build
from centre.evidence import still, store
from centre.evidence.bundle import Clip
from centre.evidence.clip_client import ClipClient, NoClipError
from centre.evidence.files import Shelf
from centre.evidence.manifest import SEALED, AuditRow, Missing
from centre.evidence.signer import EvidenceSigner
from centre.evidence.store import StoredBody
from centre.faults import NotWrittenError, UnreadableError
from centre.unset_clocks import is_clock_unset
from centre.writer import Writer
from core.times import NS
from edge.config import Site
from edge.log import Logger

AT_ONCE = 2  # files that are made at the same time; of one RSU one clip at a time
BEFORE_NS, AFTER_NS = 10 * NS, 2 * NS  # of the violation, that its clip holds besides it
TEND_S = 60.0  # between looks for files that are too old
SEAL_S = 60.0  # a database that takes longer fails the file: it may be asked for again
RETRY_S = 2.0  # after the database failed
KIND = "evidence"  # of the feed
Stills = list[tuple[str, bytes]]  # member, picture


@dataclass(slots=True)
class Progress:
    """How far a file is: what is being done, bytes of the clip that are here, and of all."""

    step: str = "waiting"
    done: int = 0
    total: int = 0


@dataclass(slots=True)
class Evidence:
    """The evidence files of one centre."""

    site: Site
    database: Database
    writer: Writer
    shelf: Shelf
    clips: ClipClient
    now_ns: Callable[[], int]
    log: Logger
    signer: EvidenceSigner
    counts: Counter[str] = field(default_factory=Counter)
    progress: dict[str, Progress] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, violation: str, actor: Actor) -> tuple[dict[str, Any], bool] | None:
        """Ask for a file; return its row and whether it is new, None where there is no such violation.

        Raises FullError where too many wait, NotWrittenError.
        """

        def work(db: Any, found: list[Change]) -> tuple[dict[str, Any], bool] | None:
            if not store.versions_of(db, violation):
                return None
            row, is_new = store.ask(db, violation, actor, self.now_ns())
            if is_new:
                found.append(Change(KIND, row["id"]))
            return row, is_new

        result = await self.writer.run(work, store.LOCK)
        self._wake.set()
        return result

    async def row(self, key: str) -> dict[str, Any] | None:
        """Return a file's row as the page shows it."""
        found = await self.database.read(partial(self._read, store.job), key)
        return None if found is None else self.shown(found)

    async def of(self, violation: str) -> list[dict[str, Any]]:
        """Return the files of a violation, newest first."""
        return [
            self.shown(row) for row in await self.database.read(partial(self._read, store.jobs_of), violation)
        ]

    def _read(self, query: Callable[..., Any], *args: object) -> Any:
        with self.database.engine.begin() as db:
            return query(db, *args)

    def shown(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of the table with how far it is, as JSON has it."""
        progress = self.progress.get(row["id"], Progress())
        return {
            "id": row["id"], "violation": row["violation"], "state": row["state"], "user": row["user"],
            "asked_ns": str(row["asked_ns"]),
            "made_ns": None if row["made_ns"] is None else str(row["made_ns"]),
            "n_bytes": row["n_bytes"], "sha256": None if row["sha256"] is None else row["sha256"].hex(),
            "missing": [] if row["missing"] is None else msgspec.json.decode(row["missing"]),
            "fault": row["fault"],
            "progress": {"step": progress.step, "done": progress.done, "total": progress.total},
        }  # fmt: skip

    async def downloaded(self, row: dict[str, Any], actor: Actor) -> None:
        """Note who fetched a file."""
        body = {"job": row["id"], "sha256": row["sha256"]}
        now_ns = self.now_ns()
        await self.writer.run(
            lambda db, _found: append(db, Act(now_ns, actor, "evidence_get", row["violation"], body)),
            store.LOCK,
        )

    async def run(self) -> None:
        """Make files until cancelled."""
        making: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tend(), name="centre.evidence.tend")
            while True:
                self._wake.clear()
                making = {key: task for key, task in making.items() if not task.done()}
                for row in await self._waiting():
                    if row["id"] not in making and len(making) < AT_ONCE:
                        making[row["id"]] = tasks.create_task(self._make(row), name="centre.evidence")
                await self._wake.wait()

    async def _waiting(self) -> list[dict[str, Any]]:
        while True:
            try:
                rows: list[dict[str, Any]] = await self.database.read(partial(self._read, store.waiting))
                return rows
            except UnreadableError:
                await asyncio.sleep(RETRY_S)

    async def _make(self, row: dict[str, Any]) -> None:
        key = row["id"]
        self.progress[key] = Progress("fetching")
        try:
            await self._make_file(row)
            self.counts["evidence.made"] += 1
        except TimeoutError:  # an OSError too, but not of the disk
            await self._failed(key, f"the database took longer than {SEAL_S:.0f} s to log it")
        except (OSError, zipfile.LargeZipFile) as error:
            await self._failed(key, f"the centre's disk: {getattr(error, 'strerror', None) or error}")
        except (UnreadableError, NotWrittenError):  # it stays waiting
            await asyncio.sleep(RETRY_S)
        except Exception as error:  # else each start of the centre would end at this violation again
            self.log.error("evidence.bug", job=key, exc_info=error)
            await self._failed(key, f"it can't be made: {type(error).__name__}: {error}")
        finally:
            self.progress.pop(key, None)
            self._wake.set()

    async def _failed(self, key: str, fault: str) -> None:
        self.counts["evidence.failed"] += 1
        self.log.error("evidence.failed", job=key, error=fault)
        with contextlib.suppress(NotWrittenError):  # then it is tried again
            await self._note(key, partial(store.fail, key=key, fault=fault))

    async def _make_file(self, row: dict[str, Any]) -> None:
        key, violation = row["id"], row["violation"]
        if await asyncio.to_thread(self.shelf.is_full):
            raise OSError(28, "less than a twentieth of it is free")
        versions: list[StoredBody] = await self.database.read(
            partial(self._read, store.versions_of), violation
        )
        acts: list[AuditRow] = await self.database.read(partial(self._read, store.acts_of), violation)
        folder = await asyncio.to_thread(self.shelf.work, key)
        clips, missing = await self._fetch(key, violation, versions, folder)
        stills = await self._stills(versions, missing)
        self.progress[key].step = "packing"
        loop = asyncio.get_running_loop()

        def seal(body: dict[str, Any]) -> AuditRow:
            done = asyncio.run_coroutine_threadsafe(self._seal(violation, body), loop)
            return done.result(SEAL_S)

        centre = self.site.config.centre.id
        job = build.Job(key, violation, row["user"], self.site.config.site.name, centre, self.now_ns())
        facts = await asyncio.to_thread(self._pack, job, versions, acts, (clips, missing, stills), seal)
        await self._note(
            key,
            partial(
                store.finish,
                key=key,
                made_ns=job.made_ns,
                n_bytes=facts[0],
                sha256=facts[1],
                missing=facts[2],
            ),
        )
        await asyncio.to_thread(self.shelf.clear, key)

    async def _fetch(
        self, key: str, violation: str, versions: Sequence[StoredBody], folder: Path
    ) -> tuple[list[Clip], list[Missing]]:
        """Fetch the clip of each RSU that had the violation."""
        clips, missing = [], []

        def note(done: int, total: int) -> None:
            self.progress[key].done, self.progress[key].total = done, total

        for esn, span_ns in spans(versions).items():
            try:
                found = await self.clips.fetch(esn, violation, span_ns, folder, note)
            except NoClipError as error:
                missing.append(Missing(what=f"clip of {esn}", why=str(error)))
                continue
            clips.append(Clip(esn, found.files, found.names))
            if found.reason:
                missing.append(Missing(what=f"part of the clip of {esn}", why=found.reason))
        return clips, missing

    async def _stills(self, versions: Sequence[StoredBody], missing: list[Missing]) -> Stills:
        """Return a picture of the camera of each RSU that has one, as it is now."""
        found: Stills = []
        for rsu in self.site.config.rsu:
            if rsu.still is None or all(one.esn != rsu.esn for one in versions):
                continue
            first = next(one for one in versions if one.esn == rsu.esn)
            stamp_s = str((first.received_ns if is_clock_unset(first) else first.detected_ns) // NS)
            url = still.filled(rsu.still, {"esn": rsu.esn, "stamp_s": stamp_s, "plate": ""})
            try:
                suffix, body = await asyncio.to_thread(still.fetch, url)
                found.append((f"still/{rsu.esn}{suffix}", body))
            except still.NoStillError as error:
                missing.append(Missing(what=f"still of {rsu.esn}", why=str(error)))
        return found

    def _pack(
        self, job: build.Job, versions: Sequence[StoredBody], acts: Sequence[AuditRow],
        fetched: tuple[list[Clip], list[Missing], Stills], seal: build.Seal,
    ) -> tuple[int, bytes, list[Missing]]:  # fmt: skip
        """Write the file; return its length, its SHA-256 and what it lacks."""
        path = self.shelf.work(job.id) / "evidence.zip"
        bundle = build.opened(path)
        try:
            bundle.missing += fetched[1]
            rows = build.add_versions(bundle, versions)
            for clip in fetched[0]:
                build.add_clip(bundle, clip)
            build.add_site(bundle, fetched[0], self.site.record)
            body = msgspec.json.format(msgspec.json.encode(list(acts)), indent=1)
            bundle.add("desk/acts.json", body)
            for name, picture in fetched[2]:
                bundle.add(name, picture)
            build.add_plot(bundle, versions)
            build.finish(bundle, job, rows, seal, self.signer)
        finally:
            bundle.archive.close()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        n_bytes = path.stat().st_size
        path.chmod(0o600)
        path.replace(self.shelf.path(job.id))
        return n_bytes, digest, bundle.missing

    async def _seal(self, violation: str, body: dict[str, Any]) -> AuditRow:
        now_ns = self.now_ns()
        return await self.writer.run(
            lambda db, _found: store.seal(db, violation, body, SEALED, now_ns), store.LOCK
        )

    async def _note(self, key: str, change: Callable[..., None]) -> None:
        def work(db: Any, found: list[Change]) -> None:
            change(db)
            found.append(Change(KIND, key))

        await self.writer.run(work, store.LOCK)

    async def _tend(self) -> None:
        """Delete files that are too old or too many, and what failed or interrupted jobs have left."""
        while True:
            try:
                lie = await asyncio.to_thread(self.shelf.keys)  # before the rows: each has its row then
                waiting = await self.database.read(partial(self._read, store.waiting))
                rows = await self.database.read(partial(self._read, store.held))  # last: one may be made now
                making, ready = ({row["id"] for row in each} for each in (waiting, rows))
                await asyncio.to_thread(self.shelf.sweep, lie, making, ready)
                passed_ns = await self.database.read(partial(self._read, known_ns))
                for row, why in self.shelf.excess(rows, self.now_ns(), passed_ns):
                    await asyncio.to_thread(self.shelf.path(row["id"]).unlink, missing_ok=True)
                    change = partial(
                        store.delete, key=row["id"], violation=row["violation"], why=why, now_ns=self.now_ns()
                    )
                    await self._note(row["id"], change)
                    self.counts["evidence.deleted"] += 1
            except (OSError, UnreadableError, NotWrittenError) as error:
                self.log.warning("evidence.not_tended", error=str(error))
            await asyncio.sleep(TEND_S)


def spans(versions: Sequence[StoredBody]) -> dict[str, tuple[int, int]]:
    """Return for each RSU that had a violation which time its clip must hold, by its own clock."""
    found: dict[str, tuple[int, int]] = {}
    for one in versions:
        begin, end = found.get(one.esn, (one.detected_ns, one.detected_ns))
        with contextlib.suppress(msgspec.DecodeError, ValueError, KeyError, TypeError):  # of another form
            begin = min(begin, msgspec.msgpack.decode(one.body)["start_ns"])
        found[one.esn] = (min(begin, one.detected_ns), max(end, one.detected_ns))
    return {esn: (begin - BEFORE_NS, end + AFTER_NS) for esn, (begin, end) in found.items()}
