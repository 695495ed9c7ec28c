"""What papermill passes on of a run's outputs while it lasts, into files and its log, with every secret masked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from k1nb.secrets import Redactor

_LOGGERS = ("", "papermill", "traitlets", "nbclient", "asyncio", "jupyter_client")
"""Whose handlers, and whose own records, are masked."""
_PIECES = "content: %s"
"""How nbclient tells a message of the kernel: piece by piece, and a piece of a secret cannot be masked."""


class Echo:
    """Passes outputs on as papermill would; what is written is as far behind as a secret may be long."""

    def __init__(
        self, redact: Redactor, log: logging.Logger | None, stdout: TextIO | None, stderr: TextIO | None
    ) -> None:
        self._redact = redact
        self._log = log
        self._level = logging.INFO
        self._logged = redact.stream()
        self._files = {
            name: (file, redact.stream()) for name, file in (("stdout", stdout), ("stderr", stderr)) if file is not None
        }

    @property
    def wanted(self) -> bool:
        """Tell whether anything is passed on."""
        return self._log is not None or bool(self._files)

    def take(self, output: Any) -> None:
        """Pass on what can be told of an output by now."""
        if output.output_type == "stream":
            text = "".join(output.text)
            if output.name in self._files:
                file, masking = self._files[output.name]
                _write(file, masking.feed(text))
            self._to_log(text, logging.WARNING if output.name == "stderr" else logging.INFO)
        else:
            self._to_log("".join(output.get("data", {}).get("text/plain", "")), logging.INFO)

    def _to_log(self, text: str, level: int) -> None:
        # One text for all levels: a secret may go on from one stream to the other.
        if self._log is not None and self._log.isEnabledFor(level):
            self._level = level
            self._say(self._logged.feed(text))

    def _say(self, text: str) -> None:
        if self._log is not None and text:
            self._log.log(self._level, "%s", text)

    def close(self) -> None:
        """Pass on the rest."""
        self._say(self._logged.close())
        for file, masking in self._files.values():
            _write(file, masking.close())


def _write(file: TextIO, text: str) -> None:
    if text:
        file.write(text)
        file.flush()


class _Masking(logging.Filter):
    """Masks a record's words, its error's included; leaves out those that tell outputs in pieces."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask a record in place."""
        if record.msg == _PIECES:
            return False
        record.msg, record.args = self._redact(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redact(record.exc_text)
        return True


@contextmanager
def masked_logging(redact: Redactor) -> Iterator[None]:
    """Mask what papermill and what it uses log, until this ends."""
    masking = _Masking(redact)
    loggers = [logging.getLogger(name or None) for name in _LOGGERS]
    filtered = [*loggers, *(handler for logger in loggers for handler in logger.handlers)]
    for each in filtered:
        each.addFilter(masking)
    try:
        yield
    finally:
        for each in filtered:
            each.removeFilter(masking)
