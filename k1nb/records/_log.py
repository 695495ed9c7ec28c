"""What a kernel writes outside its cells: kept as it comes, with every secret masked before it reaches the disk."""

from __future__ import annotations

import codecs
import os
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from k1nb.config import Settings
from k1nb.secrets import Stream

_CHUNK = 65_536


@contextmanager
def redacted_log(file: Path, settings: Settings) -> Iterator[int]:
    """Yield the descriptor of a pipe for a child's output; what comes through it is in `file`, masked.

    A file that cannot be written any more ends early; the pipe is read all the same, for the child must not block.
    """
    (reader, writer), (end, ending) = os.pipe(), os.pipe()
    os.set_blocking(reader, False)
    copying = Thread(target=_copy, args=(reader, end, file, settings.redact.stream()), name="kernel.log", daemon=True)
    copying.start()
    try:
        yield writer
    finally:
        os.close(ending)  # the reader's side becomes readable by this; a child that lives on keeps the other pipe open
        copying.join()
        for descriptor in (writer, reader, end):
            os.close(descriptor)


def _copy(reader: int, end: int, file: Path, masking: Stream) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with file.open("wb", buffering=0) as log, selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        selector.register(end, selectors.EVENT_READ)
        writable = True
        while True:
            ready = {key.fd for key, _ in selector.select()}
            for chunk in _chunks(reader):
                writable = writable and _write(log.fileno(), masking.feed(decoder.decode(chunk)))
            if end in ready:
                break
        if writable:
            _write(log.fileno(), masking.feed(decoder.decode(b"", final=True)) + masking.close())


def _chunks(reader: int) -> Iterator[bytes]:
    """Yield what is in a pipe now."""
    while True:
        try:
            chunk = os.read(reader, _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            return
        yield chunk


def _write(descriptor: int, text: str) -> bool:
    """Write a text whole; tell whether that could be done."""
    data = text.encode()
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        return False
    return True
