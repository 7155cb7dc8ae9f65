"""Builds the evidence part of a centre and connects it to the topics of the RSUs."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from centre.database import Database
from centre.database_file import path_of
from centre.evidence.clip_client import ClipClient, Publish
from centre.evidence.files import Shelf
from centre.evidence.jobs import Evidence
from centre.evidence.signer import EvidenceSigner
from centre.ingest import TRACKS, Ingest
from centre.writer import Writer
from edge import topics
from edge.config import Site
from edge.log import Logger
from edge.subscriptions import Subscription


def build_evidence(
    site: Site, database: Database, writer: Writer, ingest: Ingest, publish: Publish,
    now_ns: Callable[[], int], log: Logger,
) -> Evidence:  # fmt: skip
    """Return the evidence files of a centre; their clips come on the connection of the snapshots."""
    limits = site.config.centre.evidence
    beside = path_of(site.config.centre.database)
    folder = (Path() if beside is None else beside.parent) / limits.directory
    clips = ClipClient(publish, Counter())
    ingest.add(Subscription(topics.rsu_command_up("+"), 0, clips.receive, link=TRACKS))
    return Evidence(
        site=site, database=database, writer=writer, shelf=Shelf(folder, limits), clips=clips,
        now_ns=now_ns, log=log, signer=EvidenceSigner(site),
    )  # fmt: skip
