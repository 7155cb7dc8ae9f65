"""The guard of one process, from the files of `[mqtt]`, which it follows while they change."""

import contextlib
import time
from dataclasses import dataclass, field

from core.errors import ConfigError
from edge.sections import MqttConfig
from edge.signing.files import SigningFiles
from edge.signing.guard import Guard, Known, Own
from edge.tls import Holder, bears_damage, file_stamp, tls_paths


@dataclass(slots=True)
class SiteGuard:
    """A guard and its files; `refresh` loads them anew where one was replaced."""

    files: SigningFiles
    where: str
    # Whether it may start although certificate files are damaged. Until they are mended it refuses all
    # messages; it signs its own where its own key is readable
    bears_damage: bool = False
    guard: Guard = field(init=False)
    problem: str | None = None  # why the files of now can't be used; the keys before still are
    _seen: tuple[tuple[int, int] | None, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self._look()
        try:
            own, known = self._load()
        except ConfigError as error:
            if not self.bears_damage:
                raise
            self.problem, own, known = str(error), self._undamaged_own(), {}
        self.guard = Guard(own, known, time.time_ns)

    @property
    def believes_nobody(self) -> bool:
        """Whether we started with damaged files, and they are not whole yet."""
        return self.problem is not None and self.guard.knows_nobody

    def refresh(self) -> bool:
        """Load the files if one has changed; say whether other keys are in use now."""
        seen = self._look()
        if seen == self._seen and self.problem is None:
            return False
        self._seen = seen
        try:
            own, known = self._load()
        except ConfigError as error:  # half of them is copied yet, say
            self.problem = str(error)
            self.guard.counts["signature.reload_failed"] += 1
            return False
        self.problem = None
        self.guard.renew(own, known)
        return True

    def _undamaged_own(self) -> Own | None:
        """Return our key where another file is the damaged one: what is unsigned the centre refuses."""
        with contextlib.suppress(ConfigError):
            return self._load_own()
        return None

    def _load(self) -> tuple[Own | None, dict[bytes, Known]]:
        from edge.signing.keys import load_known  # 10 MiB: only in a process that signs

        return self._load_own(), load_known(self.files, self.where)

    def _load_own(self) -> Own | None:
        from edge.signing.keys import load_own

        return None if self.files.key is None else load_own(self.files.key, self.where)

    def _look(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(file_stamp(path) for path in self.files)


def site_guard(mqtt: MqttConfig, where: str, holder: Holder | None) -> SiteGuard | None:
    """Return the guard of a part; None for a site whose messages are not signed; ConfigError."""
    if mqtt.parts_file is None:
        return None
    paths = tls_paths(mqtt, where, holder)
    if paths.ca is None or paths.parts is None:
        raise ConfigError(where, "mqtt.parts_file", "needs ca_file: of the authority that issued them")
    files = SigningFiles(paths.ca, paths.parts, paths.key, paths.crl)
    return SiteGuard(files, where, bears_damage(paths, holder))
