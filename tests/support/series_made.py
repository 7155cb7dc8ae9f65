"""Series of recordings that are fed a message a second, and a state a minute."""

import msgspec

from core.times import NS
from edge.recording.chain import read_chain
from edge.recording.series import FILE_NS, Series
from edge.wire import SiteRecord, encode

T0 = 1_790_000_000 * NS // FILE_NS * FILE_NS
SITE = encode(SiteRecord(config="", map="", esn="R1"))
EMPTY = b"\x80"
SECOND = NS


def made(directory, *, esn="R1", epoch=7, now_ns=T0, **options):
    return Series(directory, esn, epoch, SITE, now_ns, **options)


def feed(series, begin_s, end_s, state_each_s=60):
    """Record a message a second, and a state each minute, under the second as its body."""
    for second in range(begin_s, end_s):
        now_ns = T0 + second * SECOND
        if second % state_each_s == 0:
            series.write_state("/state/R1", msgspec.msgpack.encode(second), now_ns, now_ns)
        series.write("/input", msgspec.msgpack.encode(second), now_ns)


def seconds_of(paths):
    """Return what was fed, as it is in the files."""
    return [
        msgspec.msgpack.decode(message.body) for message in read_chain(paths) if message.topic == "/input"
    ]
