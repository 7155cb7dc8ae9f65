"""The configuration files of the embedded brokers: plain on the loopback, or with TLS and rights.

nats-server always opens a port for NATS clients beside the one for MQTT. It is on the loopback, and needs a
password that is drawn at each start: without one, any program of the machine could empty the streams.
"""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from petroroad.processes.access import nats_users
from petroroad.processes.broker_security import ServerTls
from petroroad.processes.nats_streams import PASSWORD_FILE, SETUP_USER

NATS = """\
server_name: petroroad
host: "127.0.0.1"
port: -1
max_payload: 1MB
max_connections: 2048
ports_file_dir: {folder}
jetstream {{ store_dir: {store}, max_memory_store: 256MB, max_file_store: 4GB }}
mqtt {{
  host: "{host}", port: {port}, max_ack_pending: 1000, ack_wait: "10s"
{how}}}
"""
# max_packet_size: as nats-server's max_payload; looked at before the rest of a packet is received
# user: started as root it would change to its own, and with that lose the signal of its parent's death
MOSQUITTO = """\
listener {port} {host}
user root
persistence false
set_tcp_nodelay true
max_inflight_messages 100
max_queued_messages 10000
max_queued_bytes 64000000
max_connections 2048
message_size_limit 1048576
max_packet_size 1048576
log_dest stderr
log_type error
log_type warning
"""
ANONYMOUS = "anonymous-mqtt"  # whom nats-server takes a plain client for that gives no name


class Login(NamedTuple):
    """User and password of `[mqtt]`."""

    user: str
    password: str


def nats_text(
    folder: Path, store: Path, host: str, port: int, tls: ServerTls | None, login: Login | None
) -> str:
    """Return nats-server's configuration; the setup user's password lies beside it, streams in `store`."""
    password = secrets.token_urlsafe(32)
    write_private(folder / PASSWORD_FILE, password)
    setup = (
        f"{{ user: {quoted(SETUP_USER)}, password: {quoted(password)}, "
        'allowed_connection_types: ["STANDARD"], '
        'permissions: { publish: "$JS.API.STREAM.CREATE.*", subscribe: "_INBOX.>" } }'
    )
    if tls is None:
        users, how = [setup, *_plain_users(login)], f'  no_auth_user: "{ANONYMOUS}"\n'
        block = nats_users((), None, users)
    else:
        block, how = nats_users(tls.rights, tls.site, [setup]), _nats_tls(tls)
    return block + NATS.format(folder=quoted(folder), store=quoted(store), host=host, port=port, how=how)


def mosquitto_text(host: str, port: int, tls: ServerTls | None, acl: Path) -> str:
    """Return mosquitto's configuration."""
    text = MOSQUITTO.format(host=host, port=port)
    if tls is None:
        return text + "allow_anonymous true\n"
    lines = [
        f"cafile {tls.ca.resolve()}",
        f"certfile {tls.certificate.resolve()}",
        f"keyfile {tls.key.resolve()}",
        *([] if tls.crl is None else [f"crlfile {tls.crl.resolve()}"]),
        "tls_version tlsv1.2",  # at least
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous false",
        f"acl_file {acl.resolve()}",
    ]
    return text + "\n".join(lines) + "\n"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def quoted(text: object) -> str:
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain_users(login: Login | None) -> list[str]:
    allowed = 'allowed_connection_types: ["MQTT"]'
    users = [f"{{ user: {quoted(ANONYMOUS)}, {allowed} }}"]
    if login is not None:
        users.append(f"{{ user: {quoted(login.user)}, password: {quoted(login.password)}, {allowed} }}")
    return users


def _nats_tls(tls: ServerTls) -> str:
    pinned = ""
    if tls.accepted is not None:
        pinned = f"    pinned_certs: [{', '.join(quoted(key) for key in tls.accepted)}]\n"
    files = [("cert_file", tls.certificate), ("key_file", tls.key), ("ca_file", tls.ca)]
    lines = "".join(f"    {name}: {quoted(path.resolve())}\n" for name, path in files)
    return f"  tls {{\n{lines}    verify_and_map: true\n    timeout: 5\n{pinned}  }}\n"
