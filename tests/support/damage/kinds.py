"""What can happen to a file: each kind damages the file at a path, in place or by another one."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

PAGE_BYTES = 4_096
ROOT_UID = 0

Kind = Callable[[Path, "Others", np.random.Generator], str]


class Others:
    """Where other files are taken from.

    older : a copy of all folders, of an earlier time.  root : the folders' root
    swap_with : a file that changes places with the damaged one; None: there is none
    """

    def __init__(self, root: Path, older: Path, swap_with: Path | None) -> None:
        self.root, self.older, self.swap_with = root, older, swap_with


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def truncate(path: Path, others: Others, chance: np.random.Generator) -> str:
    size = path.stat().st_size
    kept = int(chance.integers(max(1, size)))
    os.truncate(path, kept)
    return f"{kept} of {size} bytes left"


def flip(path: Path, others: Others, chance: np.random.Generator) -> str:
    """Change some bytes."""
    size = path.stat().st_size
    places = chance.integers(size, size=chance.choice((1, 3, 20))).tolist() if size else []
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes((byte ^ int(chance.integers(1, 256)),)))
    return f"{len(places)} bytes changed"


def zero_page(path: Path, others: Others, chance: np.random.Generator) -> str:
    size = path.stat().st_size
    first = int(chance.integers(max(1, -(-size // PAGE_BYTES))))
    with path.open("r+b") as file:
        file.seek(first * PAGE_BYTES)
        file.write(bytes(min(PAGE_BYTES, max(0, size - first * PAGE_BYTES))))
    return f"page {first} of {-(-size // PAGE_BYTES)}"


def delete(path: Path, others: Others, chance: np.random.Generator) -> str:
    """Delete it; of a database its log stays."""
    path.unlink()
    return ""


def older(path: Path, others: Others, chance: np.random.Generator) -> str:
    """Put an older copy of the same name in its place, by a new file or into the old one."""
    copy = others.older / path.relative_to(others.root)
    if not copy.is_file():
        return truncate(path, others, chance)
    if chance.random() < 0.5:
        shutil.copyfile(copy, path)
        return "written over"
    owner = path.stat()
    part = path.with_name(".older-copy")
    shutil.copy2(copy, part)
    os.chown(part, owner.st_uid, owner.st_gid)
    part.replace(path)
    return "a new file"


def mode(path: Path, others: Others, chance: np.random.Generator) -> str:
    bits = int(chance.choice((0o000, 0o400, 0o200)))
    path.chmod(bits)
    return f"{bits:o}"


def owner(path: Path, others: Others, chance: np.random.Generator) -> str:
    """Give it to root, closed to others."""
    os.chown(path, ROOT_UID, ROOT_UID)
    path.chmod(0o600)
    return ""


def swap(path: Path, others: Others, chance: np.random.Generator) -> str:
    if others.swap_with is None or others.swap_with == path:
        return delete(path, others, chance)
    between = path.with_name(".between")
    path.rename(between)
    others.swap_with.rename(path)
    between.rename(others.swap_with)
    return f"with {others.swap_with.relative_to(others.root)}"


def empty(path: Path, others: Others, chance: np.random.Generator) -> str:
    os.truncate(path, 0)
    return ""


def directory(path: Path, others: Others, chance: np.random.Generator) -> str:
    _remove(path)
    path.mkdir()
    _hand_over(path, others)
    if chance.random() < 0.5:
        (path / "something").write_text("x")
        _hand_over(path / "something", others)
    return ""


def dangling(path: Path, others: Others, chance: np.random.Generator) -> str:
    """A link to nowhere: in a folder that is there, or in one that is not."""
    _remove(path)
    target = str(chance.choice(("nowhere", "no-folder/nowhere")))
    path.symlink_to(target)
    return target


def noise(path: Path, others: Others, chance: np.random.Generator) -> str:
    """Other bytes of the same length."""
    path.write_bytes(chance.bytes(path.stat().st_size))
    return ""


def longer(path: Path, others: Others, chance: np.random.Generator) -> str:
    with path.open("ab") as file:
        file.write(chance.bytes(int(chance.choice((1, 100, 5_000)))))
    return ""


def _hand_over(path: Path, others: Others) -> None:
    facts = others.root.stat()
    os.chown(path, facts.st_uid, facts.st_gid)


KINDS: dict[str, Kind] = {
    each.__name__: each
    for each in (
        truncate, flip, zero_page, delete, older, mode, owner, swap, empty, directory, dangling, noise,
        longer,
    )
}  # fmt: skip
