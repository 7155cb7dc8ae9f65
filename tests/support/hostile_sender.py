"""A process of its own that floods a broker in the name of one RSU: `hostile_sender.py PORT ESN ATTACK`."""

import os
import sys
from collections import deque
from collections.abc import Iterator

import msgspec
import paho.mqtt.client as paho

STAMP_NS = 1_790_000_000_000_000_000
INFLIGHT_MAX = 50


def _batch(items: list[dict[str, object]]) -> bytes:
    return msgspec.msgpack.encode({"epoch": 10, "items": items})


def _violation(n: int, body: bytes) -> bytes:
    return _batch([{"seq": n, "detected_ns": STAMP_NS, "sent_ns": STAMP_NS, "violation": body}])


def voids() -> Iterator[bytes]:
    """300 batches of 1024 voids: each row would stay for ever."""
    for n in range(300):
        yield _batch([{"seq": n * 1_024 + i + 1, "void": "x"} for i in range(1_024)])


def usual_voids() -> Iterator[bytes]:
    """The same in batches of the usual size."""
    for n in range(1_500):
        yield _batch([{"seq": n * 32 + i + 1, "void": "x"} for i in range(32)])


def long_batches() -> Iterator[bytes]:
    for n in range(100):
        yield _violation(n + 1, os.urandom(900_000))


def long_violations() -> Iterator[bytes]:
    for n in range(100):
        yield _violation(n + 1, os.urandom(400_000))


def garbage() -> Iterator[bytes]:
    for _ in range(2_000):
        yield os.urandom(1_000)


def journeys() -> Iterator[bytes]:
    """Journeys that nobody can read: each message of them is answered."""
    for _ in range(1_000):
        named = [msgspec.msgpack.encode({"id": os.urandom(8).hex(), "version": 1}) for _ in range(64)]
        yield msgspec.msgpack.encode({"journeys": named})


def probes() -> Iterator[bytes]:
    """Clock probes: the centre would answer each."""
    for n in range(20_000):
        yield msgspec.msgpack.encode({"seq": n, "sent_ns": n})


VIOLATIONS = (voids, usual_voids, long_batches, long_violations, garbage)
ATTACKS = {each.__name__: (each, "violation/up", 1) for each in VIOLATIONS}
ATTACKS |= {"journeys": (journeys, "journey/up", 1), "probes": (probes, "clock/req", 0)}


def main(port: int, esn: str, attack: str) -> None:
    """Send every message of an attack and wait until the broker has them."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="hostile", protocol=paho.MQTTv311)
    client.max_inflight_messages_set(INFLIGHT_MAX)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent: deque[paho.MQTTMessageInfo] = deque()
    bodies, tail, qos = ATTACKS[attack]
    for body in bodies():
        sent.append(client.publish(f"v2x/v1/rsu/{esn}/{tail}", body, qos=qos))
        if len(sent) > INFLIGHT_MAX:
            sent.popleft().wait_for_publish(30.0)
    for info in sent:
        info.wait_for_publish(30.0)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
