"""What is wrong with what a process was given: its configuration, a recording. Imports nothing heavy."""


class ConfigError(Exception):
    """What the operator wrote does not hold; exit code 2."""

    def __init__(self, file: str, key: str, rule: str, value: object = None) -> None:
        shown = "" if value is None else f" (is {value!r:.200})"
        super().__init__(f"{file}: {key or 'the file'}: {rule}{shown}")
        self.file, self.key, self.rule, self.value = file, key, rule, value


class RecordingError(Exception):
    """A file that is no recording."""
