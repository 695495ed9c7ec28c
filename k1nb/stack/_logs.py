"""What the services said."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from k1nb.config import Settings
from k1nb.errors import ServiceError, UnknownName
from k1nb.stack._services import SERVICES
from k1nb.stack._supervisor import Supervisor

SUPERVISORD = "supervisord"
_BYTES_PER_LINE = 1000
"""More than a line of any of our logs usually has; only bounds how much of a long file is read."""


def logs(settings: Settings, service: str, *, lines: int = 50, follow: bool = False) -> Iterator[str]:
    """Return the last lines of a service's log, secrets masked, and with `follow` each new one as it comes.

    Raises UnknownName, and ServiceError where the service has never said anything.
    """
    if service not in (*SERVICES, SUPERVISORD):
        raise UnknownName(f"there is no service {service!r}", hint=f"known are {', '.join((*SERVICES, SUPERVISORD))}")
    path = Supervisor(settings.paths, settings.timings).log(service)
    if not path.is_file():
        raise ServiceError(f"{service} has no log yet: it was never started", hint=f"start it with `k1nb up {service}`")
    return _redacted(settings, path, lines, follow=follow)


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a file; none where it is missing."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return _tail(file, count)
    except FileNotFoundError:
        return []


def _redacted(settings: Settings, path: Path, lines: int, *, follow: bool) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        last = _tail(file, lines)
        place = file.tell()
    yield from map(settings.redact, last)
    if follow:
        yield from map(settings.redact, _following(path, place, settings.timings.follow))


def _tail(file: TextIO, count: int) -> list[str]:
    size = file.seek(0, 2)
    start = max(0, size - max(count, 64) * _BYTES_PER_LINE)
    file.seek(start)
    if start:
        file.readline()  # half a line
    return [line.rstrip("\n") for line in deque(file, maxlen=count)]


def _following(path: Path, place: int, pause: float) -> Iterator[str]:
    """Yield each line that comes after `place`, across rotations."""
    inode = path.stat().st_ino
    rest = ""
    while True:
        with path.open(encoding="utf-8", errors="replace") as file:
            facts = path.stat()
            file.seek(place if facts.st_ino == inode and facts.st_size >= place else 0)
            text = rest + file.read()
            place, inode = file.tell(), facts.st_ino
        *complete, rest = text.split("\n")
        yield from complete
        if not complete:
            time.sleep(pause)
