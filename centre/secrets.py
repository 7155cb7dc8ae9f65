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
    hidden = text if login is None else text.replace(login[2], "***")
    return _LOGIN.sub(r"://\1:***@", hidden.replace(url, _LOGIN.sub(r"://\1:***@", url)))
