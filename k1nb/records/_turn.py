"""A turn at a folder: of all threads and processes of this machine, one at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from k1nb.errors import StorageError
from k1nb.paths import unwritable

_LOOK = 0.005
"""Seconds between two tries."""


@contextmanager
def turn_at(folder: Path, within: float) -> Iterator[None]:
    """Hold a folder's own lock, which leaves no file behind and stays with it when it is moved.

    It is not reentrant. `within` is the longest wait in seconds; raises StorageError after it, and where there is no
    such folder. Source: flock(2); a lock belongs to one opening of the folder, so threads exclude each other as well.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        _lock(handle, folder, within)
        try:
            yield
        finally:
            # Said aloud, for a child that was forked meanwhile has the folder open, too.
            fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path, within: float) -> None:
    deadline = time.monotonic() + within
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > deadline:
            raise StorageError(f"{folder} is held by another process for {within:g} s", hint="end that process")
        time.sleep(_LOOK)
