"""The queues of a NATS cluster between the RSUs and the centre's workers: names, limits, rights. Pure.

An RSU publishes over MQTT; nats-server gives the message to each stream whose subject fits, beside the MQTT
clients. A queue is no store: the RSU's outbox is, which sends again whatever is not acknowledged.
"""

from typing import Any, NamedTuple

from core.times import NS
from edge import topics
from edge.outbox.window import ITEMS_INFLIGHT_MAX, LIVE_INFLIGHT_MAX
from edge.sections import NatsConfig

CONSUMER = "workers"  # of each queue; all workers pull from it
ACK_WAIT_S = 15.0  # a killed worker's messages come again; its RSUs have sent them to another before that
DELIVERIES_MAX = 5
ACK_PENDING_MAX = 20_000  # messages that wait in the workers' inboxes
# messages of one RSU, which so can't drive out another's: each item that its outbox has on its way may be one
PER_RSU_MAX = ITEMS_INFLIGHT_MAX + LIVE_INFLIGHT_MAX


class Queue(NamedTuple):
    """One stream: what it holds, its name, and the subject that it captures."""

    name: str
    stream: str
    subject: str


def subject_of(topic: str) -> str:
    """Return the subject of an MQTT topic or filter; names of ours have no dots."""
    return topic.replace("/", ".").replace("+", "*").replace("#", ">")


def topic_of(subject: str) -> str:
    """Return the MQTT topic of a subject."""
    return subject.replace(".", "/")


VIOLATIONS = Queue("violations", "petroroad-violations", subject_of(topics.violation_up("+")))
JOURNEYS = Queue("journeys", "petroroad-journeys", subject_of(topics.journey_up("+")))
QUEUES = (VIOLATIONS, JOURNEYS)


def stream_config(queue: Queue, config: NatsConfig) -> dict[str, Any]:
    """Return the stream as `$JS.API.STREAM.CREATE` takes it: an acknowledged message is deleted."""
    return {
        "name": queue.stream,
        "subjects": [queue.subject],
        "retention": "workqueue",
        "storage": "file",
        "num_replicas": config.replicas,
        "discard": "old",
        "max_bytes": config.queue_mib * 2**20,
        "max_age": int(config.queue_s * NS),
        "max_msgs_per_subject": PER_RSU_MAX,
        "duplicate_window": NS,  # nobody names messages; the default window may not exceed max_age
    }


def consumer_config() -> dict[str, Any]:
    """Return the durable consumer that all workers share."""
    return {
        "durable_name": CONSUMER,
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "ack_wait": int(ACK_WAIT_S * NS),
        "max_deliver": DELIVERIES_MAX,
        "max_ack_pending": ACK_PENDING_MAX,
    }


def inbox_of(worker: str) -> str:
    """Return the prefix of the subjects on which a worker is answered: another one can't read there."""
    return f"_INBOX_{worker}"


def subjects_of_worker(worker: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the subjects of JetStream to which a worker may publish, and those that it may read."""
    publish = []
    for _, stream, _ in QUEUES:
        publish += [f"$JS.API.STREAM.{verb}.{stream}" for verb in ("CREATE", "UPDATE", "INFO")]
        publish += [f"$JS.API.CONSUMER.{verb}.{stream}.{CONSUMER}" for verb in ("DURABLE.CREATE", "MSG.NEXT")]
        publish.append(f"$JS.ACK.{stream}.{CONSUMER}.>")
    return tuple(publish), (f"{inbox_of(worker)}.>",)
