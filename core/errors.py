"""The errors that reach an operator, and those of a device's bytes. Imports nothing."""


class ConfigError(Exception):
    """The operator's configuration breaks a rule; exit code 2."""

    def __init__(self, file: str, key: str, rule: str, value: object = None) -> None:
        shown = "" if value is None else f" (is {value!r:.200})"
        super().__init__(f"{file}: {key or 'the file'}: {rule}{shown}")
        self.file, self.key, self.rule, self.value = file, key, rule, value


class MapError(ValueError):
    """A map or a position breaks a rule; the text states where, and which rule.

    place : as it stands in the file, mostly [lon_deg, lat_deg].  lane : whose shape can't be used
    place_m : east and north in the site's frame, where the text has no place yet
    """

    def __init__(
        self, rule: str, place_m: tuple[float, float] | None = None, *, place: object = None, lane: str = ""
    ) -> None:
        super().__init__(rule if place is None else f"{rule} at {place}")
        self.rule, self.place_m, self.place, self.lane = rule, place_m, place, lane


class RecordingError(Exception):
    """A file is no recording."""


class DeviceError(Exception):
    """Bytes are no message of their device; `reason` is a short counter name such as `radar.crc`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CommandError(Exception):
    """The work of a command failed for a reason that the operator can read; exit code 1."""

    status = 1


class UsageError(CommandError):
    """The arguments of a command are impossible; it did nothing; exit code 2."""

    status = 2
