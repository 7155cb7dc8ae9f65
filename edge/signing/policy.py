"""Who may sign which topic, and which topics need a signature (docs/design.md section 7). Pure."""

from typing import Literal, NamedTuple, get_args

from edge import topics

Role = Literal["rsu", "gateway", "centre", "worker", "operator"]
ROLES: frozenset[str] = frozenset(get_args(Role))  # a broker and a page sign nothing


class Signer(NamedTuple):
    """A part of the site that signs: its role and its name in it (the ESN, or the id)."""

    role: str
    name: str


class Rule(NamedTuple):
    """What a topic needs.

    roles : whose signature counts
    own : the signer's name is the one in the topic
    fresh : each message is newer than the last of its signer there, and young: an old one would act again.
        Without it an old message is harmless: its key, version or number says that it is known.
    """

    roles: tuple[Role, ...]
    own: bool
    fresh: bool = False


RULES: dict[tuple[str, str], Rule] = {
    ("rsu", "violation/up"): Rule(("rsu",), own=True),
    ("rsu", "violation/ack"): Rule(("centre", "worker"), own=False),
    ("rsu", "violation/ask"): Rule(("centre",), own=False, fresh=True),
    ("rsu", "journey/up"): Rule(("rsu",), own=True),
    ("rsu", "journey/ack"): Rule(("centre", "worker"), own=False),
    ("rsu", "handover"): Rule(("rsu",), own=True, fresh=True),
    ("rsu", "handover/ack"): Rule(("rsu",), own=True, fresh=True),
    ("rsu", "status"): Rule(("rsu",), own=True),
    ("rsu", "epoch/down"): Rule(("centre",), own=False, fresh=True),
    ("rsu", "clock/req"): Rule(("rsu",), own=True),
    ("rsu", "clock/rsp"): Rule(("centre",), own=False, fresh=True),
    ("rsu", "gnss/down"): Rule(("gateway",), own=False, fresh=True),
    ("rsu", "config/down"): Rule(("operator", "centre"), own=False),
    ("rsu", "command/down"): Rule(("centre",), own=False, fresh=True),
    ("rsu", "command/up"): Rule(("rsu",), own=True),
    ("gateway", "status"): Rule(("gateway",), own=True),
    ("gateway", "command/down"): Rule(("centre", "operator"), own=False, fresh=True),
    ("gateway", "command/up"): Rule(("gateway",), own=True),
    ("gateway", "clock/req"): Rule(("gateway",), own=True),
    ("gateway", "clock/rsp"): Rule(("centre",), own=False, fresh=True),
    ("centre", "status"): Rule(("centre",), own=True),
    ("centre", "desk"): Rule(("centre",), own=True),  # retained: the newest stamp counts
}


def rule_of(topic: str) -> tuple[Rule, str] | None:
    """Return what a topic needs and the name in it; None where it needs no signature.

    Snapshots need none: they are drawn, and nothing is decided by them. Nor do on-board units, which have no
    key: what they send is checked where it is fused.
    """
    parts = topics.parse(topic)
    if parts is None:
        return None
    rule = RULES.get((parts.realm, parts.tail))
    return None if rule is None else (rule, parts.name)


def may_sign(rule: Rule, name: str, signer: Signer) -> bool:
    """Say whether a signer's message counts on a topic with this name in it."""
    return signer.role in rule.roles and (not rule.own or signer.name == name)
