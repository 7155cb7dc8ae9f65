"""What a command says when it can't do what was asked: one line, no traceback."""


class CommandError(Exception):
    """The work failed for a reason that the operator can read; the exit code is 1."""

    status = 1


class UsageError(CommandError):
    """The command was asked for what can't be; nothing was begun, the exit code is 2."""

    status = 2
