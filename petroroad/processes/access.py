"""Rights as the brokers' own files: an access list of mosquitto, the users of nats-server. Text only."""

from collections.abc import Iterable, Sequence

from edge.identity import Identity
from edge.rights import Rights

MADE_BY = "# made by `petroroad pki acl` from the site file; write it anew when RSUs or neighbours change"


def mosquitto_acl(rights: Iterable[Rights]) -> str:
    """Return an `acl_file`; users are the common names of certificates (`use_identity_as_username true`)."""
    lines = [MADE_BY]
    for part in rights:
        lines += ["", f"# {part.role}", f"user {part.name}"]
        lines += [f"topic write {pattern}" for pattern in part.publish]
        lines += [f"topic read {pattern}" for pattern in part.read]
    return "\n".join(lines) + "\n"


def nats_users(rights: Iterable[Rights], site: str, others: Sequence[str] = ()) -> str:
    """Return an `authorization` block; users are the URNs of certificates (`verify_and_map: true`).

    others : users of other kinds, as lines of the block
    """
    lines = [MADE_BY, "authorization {", "  users: [", *(f"    {line}" for line in others)]
    for part in rights:
        publish, read = _listed(part.publish), _listed((*part.read, "$MQTT/sub/#"))
        lines += [
            f'    {{ user: "{Identity(site, part.role, part.name).urn}"',
            '      allowed_connection_types: ["MQTT"]',
            f"      permissions: {{ publish: {{ allow: {publish} }}, subscribe: {{ allow: {read} }} }} }}",
        ]
    return "\n".join([*lines, "  ]", "}"]) + "\n"


def _listed(patterns: Iterable[str]) -> str:
    """Return MQTT filters as a list of NATS subjects; esn and ids have neither dots nor spaces."""
    subjects = (pattern.replace("/", ".").replace("+", "*").replace("#", ">") for pattern in patterns)
    return "[" + ", ".join(f'"{subject}"' for subject in subjects) + "]"
