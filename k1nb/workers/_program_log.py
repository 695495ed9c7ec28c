"""Logs of programs that are not ours, such as compilers: written by them, masked by us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from k1nb.paths import write_text
from k1nb.secrets import Redactor


@asynccontextmanager
async def masking(log: Path, redact: Redactor) -> AsyncIterator[None]:
    """Mask the secrets in the log of what is run in this block once that has ended, however it ends.

    Programs are told no secret, but may print one that they find in what they work on. Raises StorageError where the
    masked log cannot be written.
    """
    try:
        yield
    finally:
        await asyncio.to_thread(_mask, log, redact)


def _mask(log: Path, redact: Redactor) -> None:
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    if redact.found(text):
        write_text(log, redact(text))
