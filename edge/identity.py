"""The name of a part in its certificate: site, role and name, as a URN. Pure.

A site's authority (`petroroad pki`) writes it into each certificate that it issues; brokers and parts read
it there. A certificate without one is of another authority, and says nothing of roles.
"""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

Role = Literal["rsu", "gateway", "centre", "worker", "broker", "operator", "page"]
ROLES: tuple[Role, ...] = get_args(Role)
_URN = re.compile(rf"urn:petroroad:([A-Za-z0-9_-]{{1,64}}):({'|'.join(ROLES)}):([A-Za-z0-9_-]{{1,64}})")


class Identity(NamedTuple):
    """Who holds a certificate.

    site : of the authority that issued it
    role : the kind of part; `worker` stores for the centre, `page` is the web page's server, `operator` a
        person's commands
    name : an RSU's esn, a gateway's or centre's id, otherwise free
    """

    site: str
    role: Role
    name: str

    @property
    def urn(self) -> str:
        """The URI among the certificate's alternative names."""
        return f"urn:petroroad:{self.site}:{self.role}:{self.name}"

    def __str__(self) -> str:
        return f"{self.role} {self.name}"


def identity_of(uris: Iterable[str]) -> Identity | None:
    """Return the identity among a certificate's URIs, None where there is none."""
    for uri in uris:
        found = _URN.fullmatch(uri)
        if found is not None:
            site, role, name = found.groups()
            return Identity(site, next(known for known in ROLES if known == role), name)
    return None
