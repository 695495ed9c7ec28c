"""What a record can hold: plain files with plain names. What else a cell has left in its run's folder is made such."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from k1nb.records._record import is_file_name

_ODD = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST = 90


def tidy(folder: Path) -> list[str]:
    """Bring what lies in a staged folder into the form that a manifest takes; return what was left out for it.

    Files in folders move up, and names get an underscore for what a manifest's may not have: nothing of them is lost.
    What is no plain file (a link, a pipe, a socket) is removed without being opened, and named. Hidden files stay.
    """
    left = []
    for path in list(_odd(folder)):
        name = _ODD.sub("_", str(path.relative_to(folder)).replace(os.sep, "__"))
        if path.is_symlink() or not path.is_file():
            left.append(name[:_LONGEST])
            path.unlink()
        else:
            path.rename(_free(folder, name))
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.name.startswith("."):
            remove(entry)
    return left


def remove(path: Path) -> None:
    """Remove whatever is there, if anything; raises OSError where a file cannot be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _odd(folder: Path) -> Iterator[Path]:
    """Yield what cannot stay as it is, in the order of the names."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            for parent, folders, files in os.walk(path):
                yield from (Path(parent, name) for name in sorted(files))
                yield from (Path(parent, name) for name in sorted(folders) if Path(parent, name).is_symlink())
        elif path.is_symlink() or not path.is_file() or not is_file_name(path.name):
            yield path


def _free(folder: Path, name: str) -> Path:
    """Return a path for a file of that name, or one that is like it and not taken."""
    stem = f"_{name}"[:_LONGEST] if name[0] in ".-" else name[:_LONGEST]
    number, path = 1, folder / stem
    while os.path.lexists(path):
        number += 1
        path = folder / f"{number}-{stem}"
    return path
