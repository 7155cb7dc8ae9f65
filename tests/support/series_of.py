"""An RSU's own recordings, made by its agent from a simulated site: a series of short files, or one file."""

import msgspec

from edge.clock import Clock
from edge.config import site_of
from edge.figures import Counts
from edge.recording.recorder import read_messages
from edge.recording.series import Series
from edge.wire import decode_site, encode
from petroroad.__main__ import main
from roadside.agent import Agent, Arrival
from roadside.inputs import Start, Stop, payload_of
from roadside.pipeline import Pipeline
from roadside.setup import setups

ESN, EPOCH = "RSU-23", 1_790_000_000


class FeedClock(Clock):
    """Shows the time of the message that is being fed."""

    __slots__ = ()
    shown_ns = 0

    def now_ns(self):
        return FeedClock.shown_ns


class NoOutbox:
    """Keeps nothing: the recording is what is looked at."""

    def __getattr__(self, name):
        return lambda *_: None


def simulated(path, seconds, seed=5):
    """Record a simulated stretch of the shipped site; return its messages."""
    arguments = ["--rsus", ESN, "--seed", str(seed), "--duration", str(seconds), "--record", str(path)]
    assert main(["sim", "run", *arguments]) == 0
    return list(read_messages(path))


def fed(directory, messages, *, is_stalled=lambda log_ns: False, **options):
    """Feed an agent with the inputs of a simulated site; return its series.

    is_stalled : says at which log times nothing arrives, as on a busy machine: ticks come several at a time
    """
    record = msgspec.structs.replace(decode_site(messages[0].body), esn=ESN)
    site = site_of(record, "sim")
    FeedClock.shown_ns = messages[0].log_ns
    series = Series(directory, ESN, EPOCH, encode(record), messages[0].log_ns, **options)
    setup = setups(site, expects_gateway=True, esns=(ESN,))[ESN]
    clock = FeedClock(0, 0)
    agent = Agent(Pipeline(setup), clock, outbox=NoOutbox(), recorder=series, counts=Counts())
    agent.accept(Arrival("/input", None, None, Start(epoch=EPOCH)))
    own = {f"/radar/{radar.id}" for radar in site.rsu(ESN).radar} | {"/gnss"}
    for message in messages:
        if message.topic in own and not is_stalled(message.log_ns):
            FeedClock.shown_ns = message.log_ns
            payload = payload_of(message.topic, message.body)
            agent.accept(Arrival(message.topic, message.body, message.publish_ns, payload))
    agent.accept(Arrival("/input", None, None, Stop()))
    series.close()
    return series
