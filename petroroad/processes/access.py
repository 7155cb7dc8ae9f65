"""Rights as the brokers' own files: an access list of mosquitto, the users of nats-server. Text only."""

from collections.abc import Iterable, Sequence

from edge.identity import Identity
from edge.queues import subject_of, subjects_of_worker
from edge.rights import Rights

DELIVERIES = "$MQTT/sub/#"  # by which nats-server delivers QoS 1; an MQTT client can't subscribe to it itself
MADE_BY = "# made by `petroroad pki acl` from the site file; write it anew when RSUs or neighbours change"


def mosquitto_acl(rights: Iterable[Rights]) -> str:
    """Return an `acl_file`; users are the common names of certificates (`use_identity_as_username true`)."""
    lines = [MADE_BY]
    for part in rights:
        if part.role == "worker":  # a client of NATS only
            continue
        lines += ["", f"# {part.role}", f"user {part.name}"]
        lines += [f"topic write {pattern}" for pattern in part.publish]
        lines += [f"topic read {pattern}" for pattern in part.read]
    return "\n".join(lines) + "\n"


def nats_users(rights: Iterable[Rights], site: str | None, others: Sequence[str] = ()) -> str:
    """Return an `authorization` block; users are the URNs of certificates (`verify_and_map: true`).

    site : of the authority; None, another kind of authority: users are subjects of the common name alone
    others : users of other kinds, as lines of the block
    """
    lines = [MADE_BY, "authorization {", "  users: [", *(f"    {line}" for line in others)]
    for part in rights:
        kind, publish, read = "MQTT", _listed(part.publish), _listed((*part.read, DELIVERIES))
        if part.role == "worker":
            queues, answers = subjects_of_worker(part.name)
            kind, publish, read = "STANDARD", _listed((*part.publish, *queues)), _listed(answers)
        lines += [
            f'    {{ user: "{_nats_user(part, site)}"',
            f'      allowed_connection_types: ["{kind}"]',
            f"      permissions: {{ publish: {{ allow: {publish} }}, subscribe: {{ allow: {read} }} }} }}",
        ]
    return "\n".join([*lines, "  ]", "}"]) + "\n"


def nats_pins(keys: Iterable[str]) -> str:
    """Return the line of a `tls` block that admits these keys only; nats-server reads no revocation list.

    keys : SHA-256 of public keys
    """
    listed = ", ".join(f'"{key}"' for key in keys)
    return f"{MADE_BY}\npinned_certs: [{listed}]\n"


def _nats_user(part: Rights, site: str | None) -> str:
    return f"CN={part.name}" if site is None else Identity(site, part.role, part.name).urn


def _listed(patterns: Iterable[str]) -> str:
    """Return MQTT filters as a list of NATS subjects; esn and ids have neither dots nor spaces."""
    # MQTT's a/# is a and all below it, the subject a.> is what is below
    both = (part for one in patterns for part in ((one.removesuffix("/#"), one) if "/#" in one else (one,)))
    return "[" + ", ".join(f'"{subject_of(part)}"' for part in both) + "]"
