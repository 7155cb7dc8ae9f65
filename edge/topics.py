"""Names of the MQTT topics of docs/design.md section 7: made and parsed. Pure."""

import functools
import re
from typing import NamedTuple

ROOT = "v2x/v1"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # no dots: NATS maps them to slashes
CHARS_MAX = 200  # more than any topic of ours has: what others send does not fill the memory
PARSED_MAX = 2_048  # topics whose parts are remembered


class Topic(NamedTuple):
    """The parts of a topic: `realm` is rsu, gateway, vehicle or centre; `peer` is the other RSU."""

    realm: str
    name: str
    tail: str
    peer: str = ""


def rsu(esn: str, tail: str) -> str:
    """Return any topic of an RSU; `+` as esn makes a filter."""
    return f"{ROOT}/rsu/{esn}/{tail}"


def violation_up(esn: str) -> str:
    return rsu(esn, "violation/up")


def violation_ack(esn: str) -> str:
    return rsu(esn, "violation/ack")


def violation_ask(esn: str) -> str:
    return rsu(esn, "violation/ask")


def journey_up(esn: str) -> str:
    return rsu(esn, "journey/up")


def journey_ack(esn: str) -> str:
    return rsu(esn, "journey/ack")


def track_up(esn: str) -> str:
    return rsu(esn, "track/up")


def status(esn: str) -> str:
    return rsu(esn, "status")


def handover(giver: str, receiver: str) -> str:
    """Return the topic of handovers from `giver` to `receiver`."""
    return rsu(giver, f"handover/{receiver}")


def handover_ack(receiver: str, giver: str) -> str:
    """Return the topic on which `receiver` acknowledges handovers of `giver`."""
    return rsu(receiver, f"handover/{giver}/ack")


def clock_req(esn: str) -> str:
    return rsu(esn, "clock/req")


def clock_rsp(esn: str) -> str:
    return rsu(esn, "clock/rsp")


def gnss_down(esn: str) -> str:
    return rsu(esn, "gnss/down")


def config_down(esn: str) -> str:
    return rsu(esn, "config/down")


def epoch_down(esn: str) -> str:
    return rsu(esn, "epoch/down")


def rsu_command_down(esn: str) -> str:
    return rsu(esn, "command/down")


def rsu_command_up(esn: str) -> str:
    return rsu(esn, "command/up")


def alarm_up(centre: str) -> str:
    return f"{ROOT}/centre/{centre}/alarm/up"


def centre_status(centre: str) -> str:
    return f"{ROOT}/centre/{centre}/status"


def centre_desk(centre: str) -> str:
    return f"{ROOT}/centre/{centre}/desk"


def gateway_status(gateway: str) -> str:
    return f"{ROOT}/gateway/{gateway}/status"


def gateway_command_down(gateway: str) -> str:
    return f"{ROOT}/gateway/{gateway}/command/down"


def gateway_command_up(gateway: str) -> str:
    return f"{ROOT}/gateway/{gateway}/command/up"


def gateway_clock_req(gateway: str) -> str:
    return f"{ROOT}/gateway/{gateway}/clock/req"


def gateway_clock_rsp(gateway: str) -> str:
    return f"{ROOT}/gateway/{gateway}/clock/rsp"


def vehicle_gnss_up(terminal: str) -> str:
    return f"{ROOT}/vehicle/{terminal}/gnss/up"


def kind(pattern: str) -> tuple[str, str]:
    """Return (realm, tail) of one of our topics or filters; the tail is as in `parse`."""
    _, _, realm, _, *rest = pattern.split("/")
    return realm, "/".join(["handover", *rest[2:]] if rest[0] == "handover" else rest)


def parse(topic: str) -> Topic | None:
    """Return the parts of one of our topics, None for another's.

    `handover/{to}` has tail "handover", `handover/{from}/ack` has tail "handover/ack", both with `peer`.
    """
    return _parsed(topic) if len(topic) <= CHARS_MAX else None


@functools.lru_cache(maxsize=PARSED_MAX)  # signature, gate and handler of each message ask for the same one
def _parsed(topic: str) -> Topic | None:
    parts = topic.split("/")
    if len(parts) < 5 or "/".join(parts[:2]) != ROOT or not NAME.fullmatch(parts[3]):
        return None
    realm, name, rest = parts[2], parts[3], parts[4:]
    if realm not in ("rsu", "gateway", "vehicle", "centre"):
        return None
    if rest[0] == "handover" and realm == "rsu":
        if len(rest) not in (2, 3) or not NAME.fullmatch(rest[1]) or rest[2:] not in ([], ["ack"]):
            return None
        return Topic(realm, name, "/".join(["handover", *rest[2:]]), rest[1])
    return Topic(realm, name, "/".join(rest))


def matches(pattern: str, topic: str) -> bool:
    """Say whether an MQTT filter with + and # matches the topic (MQTT 3.1.1, sec. 4.7)."""
    wants, has = pattern.split("/"), topic.split("/")
    if wants[-1] == "#":
        wants = wants[:-1]
        has = has[: len(wants)]
    return len(wants) == len(has) and all(w in ("+", h) for w, h in zip(wants, has, strict=True))
