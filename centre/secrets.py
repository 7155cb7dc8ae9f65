"""The database's address in messages: as the site file has it, without its password. Pure."""

import re
import tomllib

from edge.config import Site
from edge.sections import CentreConfig

DRIVER = 'install petroroad[postgresql] and begin the address with "postgresql+psycopg://"'
_LOGIN = re.compile(r"://([^:/@\s]*):(.+)@")  # up to the last @: a password may have one


def as_written(site: Site) -> str:
    """Return `[centre] database` with its ${ENV} unexpanded; a password in it all the same is hidden."""
    section = tomllib.loads(site.config_text.lstrip("\ufeff")).get("centre", {})
    return _LOGIN.sub(r"://\1:***@", str(section.get("database", CentreConfig().database)))


def without(url: str, text: str) -> str:
    """Return a text of another program without the password of `url`."""
    login = _LOGIN.search(url)
    hidden = _LOGIN.sub(r"://\1:***@", text)
    for part in () if login is None else (login[2], *login[2].split("@")):  # one with @ is taken for the host
        hidden = hidden.replace(part, "***") if part else hidden
    return hidden
