"""What a long-running service says, also when nobody reads it any more."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path

from k1nb.config import Settings
from k1nb.stack._supervisor import Supervisor


def outlive_reader(settings: Settings, service: str) -> None:
    """Have what this process prints from now on go into the service's log once its reader has gone.

    supervisord reads its services through pipes, which break when it is killed; whoever then fails to say that it
    has begun a task would drop the task. Where the log takes nothing either, the words are lost, not the work.
    """
    log = Supervisor(settings.paths, settings.timings).log(service)
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        with suppress(OSError, ValueError, AttributeError):  # closed, or no file at all: nothing to outlive
            stream.flush()
            setattr(sys, name, _text(_Outliving(stream.fileno(), log)))


def _text(raw: io.RawIOBase) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True)


class _Outliving(io.RawIOBase):
    """Writes to a descriptor that is turned into the log file when its reader has gone."""

    def __init__(self, descriptor: int, log: Path) -> None:
        self._descriptor = descriptor
        self._log = log

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        """Return that all was written, whatever became of it."""
        said = bytes(data)  # type: ignore[call-overload] # any buffer
        try:
            _write(self._descriptor, said)
        except BrokenPipeError:
            with suppress(OSError):
                self._turn()
                _write(self._descriptor, said)
        except OSError:  # a full disk, for one
            return len(said)
        return len(said)

    def _turn(self) -> None:
        log = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(log, self._descriptor, inheritable=False)
        os.close(log)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
