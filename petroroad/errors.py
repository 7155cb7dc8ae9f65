"""What a command says when it can't do what was asked: one line, no traceback."""


class CommandError(Exception):
    """The work failed for a reason that the operator can read; the exit code is 1."""
