"""Where a tool may write: never onto what it reads, and said before the work begins."""

from pathlib import Path

from petroroad.errors import UsageError


def check_output(out: Path, *sources: Path) -> None:
    """Raise UsageError where `out` is one of `sources`, or can't be written; nothing is changed."""
    for source in sources:
        if out.exists() and source.exists() and out.samefile(source):
            raise UsageError(f"{out} is {source} itself: choose another place to write to")
    was_there = out.exists()
    out = out.resolve()  # a link to what is not there yet stays
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("ab"):
            pass
    except OSError as error:
        raise UsageError(f"{out}: can't be written: {error.strerror}") from error
    if not was_there:
        out.unlink()
