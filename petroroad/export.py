"""Recordings for other tools: GeoJSON for maps, Parquet for analysis, an MCAP that Foxglove can draw."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from mcap.writer import Writer

from edge.recording.chain import Readings, read_chain
from edge.wire import TrackSnapshot, decode_snapshot, records_of
from petroroad.show import plain, track_rows

FOXGLOVE_GEOJSON = {"type": "object", "properties": {"geojson": {"type": "string"}}}
PARQUET_ROWS = 50_000  # of one row group


class ExportError(Exception):
    """The export is not possible here; the message names the remedy."""


@dataclass(slots=True)
class LeftOut:
    """The parts of the recording that an export does not hold."""

    reading: Readings = field(default_factory=Readings)
    unread: Counter[str] = field(default_factory=Counter)  # messages that can't be decoded, by topic


def snapshots(
    paths: Sequence[Path], left_out: LeftOut
) -> Iterator[tuple[int, TrackSnapshot, tuple[str, ...]]]:
    """Yield (log time, snapshot, names of its lanes); one that can't be read is left out and counted."""
    lanes: dict[str, tuple[str, ...]] = {}
    for message in read_chain(paths, left_out.reading):
        if message.topic.startswith("/tracks/"):
            try:
                snapshot = decode_snapshot(message.body)
                records_of(snapshot)
            except (msgspec.DecodeError, ValueError):  # another version's, or columns that do not fit
                left_out.unread[message.topic] += 1
                continue
            if snapshot.lanes is not None:
                lanes[snapshot.esn] = snapshot.lanes
            yield message.log_ns, snapshot, lanes.get(snapshot.esn, ())


def to_geojson(paths: Sequence[Path], out: Path, left_out: LeftOut) -> int:
    """Write a line for each track and a point for each version of a violation; returns how many features."""
    lines: dict[str, dict[str, Any]] = {}
    for _, snapshot, lanes in snapshots(paths, left_out):
        for row in track_rows(snapshot, lanes):
            line = lines.setdefault(
                f"{row['esn']}/{row['track']}",
                {"esn": row["esn"], "track": row["track"], "stamps_ns": [], "places": []},
            )
            line["stamps_ns"].append(str(row["stamp_ns"]))
            line["places"].append([row["lon_deg"], row["lat_deg"]])
    features = [
        _feature("LineString", line.pop("places"), line) for line in lines.values() if len(line["places"]) > 1
    ]
    for message in read_chain(paths):
        if message.topic.startswith("/violation/"):
            violation = plain(message.topic, message.body)
            if isinstance(violation, dict) and {"lon_deg", "lat_deg"} <= violation.keys():
                place = [violation.pop("lon_deg"), violation.pop("lat_deg")]
                features.append(_feature("Point", place, violation))
            else:
                left_out.unread[message.topic] += 1
    text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
    out.write_text(text, encoding="utf-8")
    return len(features)


def to_parquet(paths: Sequence[Path], out: Path, left_out: LeftOut) -> int:
    """Write a row for each track of each snapshot; returns how many. ExportError without pyarrow."""
    try:
        import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
        from pyarrow import parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise ExportError("Parquet needs pyarrow: pip install pyarrow") from error
    rows: list[dict[str, Any]] = []
    n_rows, writer = 0, None
    for _, snapshot, lanes in snapshots(paths, left_out):
        rows += track_rows(snapshot, lanes)
        if len(rows) >= PARQUET_ROWS:
            table = pyarrow.Table.from_pylist(rows)
            writer = writer or parquet.ParquetWriter(out, table.schema)
            writer.write_table(table)
            n_rows, rows = n_rows + len(rows), []
    if rows:
        table = pyarrow.Table.from_pylist(rows)
        writer = writer or parquet.ParquetWriter(out, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return n_rows + len(rows)


def to_foxglove(paths: Sequence[Path], out: Path, left_out: LeftOut) -> int:
    """Write one foxglove.GeoJSON message a snapshot, which its map panel shows; returns how many."""
    n_messages = 0
    with out.open("wb") as file:
        writer: Any = Writer(file)
        writer.start(profile="", library="petroroad")
        schema = writer.register_schema(
            "foxglove.GeoJSON", "jsonschema", json.dumps(FOXGLOVE_GEOJSON).encode()
        )
        channels: dict[str, int] = {}
        for log_ns, snapshot, lanes in snapshots(paths, left_out):
            if snapshot.esn not in channels:
                channels[snapshot.esn] = writer.register_channel(
                    f"/viz/tracks/{snapshot.esn}", "json", schema
                )
            points = [
                _feature("Point", [row.pop("lon_deg"), row.pop("lat_deg")], row | {"name": row["track"]})
                for row in track_rows(snapshot, lanes)
            ]
            body = json.dumps({"geojson": json.dumps({"type": "FeatureCollection", "features": points})})
            writer.add_message(channels[snapshot.esn], log_ns, body.encode(), snapshot.stamp_ns)
            n_messages += 1
        writer.finish()
    return n_messages


def _feature(kind: str, coordinates: Any, properties: dict[str, Any]) -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}
