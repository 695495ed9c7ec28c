"""Rules for what must not be written into a definition: a device's address, a path of somebody's disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from k1nb.conductor._definitions import Definition, walk
from k1nb.conductor._finding import Finding
from k1nb.conductor._references import texts

_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|(?<!\w)(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?!\w)")
"""An IPv4 address or a MAC."""
_PATH = re.compile(r"(?:/(?!/)|~/|file:|[A-Za-z]:[\\/](?!/)).*", re.DOTALL)
"""A path of a disk, or a file's address."""


def place_findings(where: str, definition: Definition) -> Iterator[Finding]:
    """Yield every address and every path of a disk that a task or workflow definition has as a constant."""
    for place, value in _constants(where, definition):
        for text in sorted(set(texts(value))):
            if _ADDRESS.search(text):
                what = f"{text!r} is one device's or machine's address"
                yield Finding("K1-ADDRESS", place, what, "take the device from the input, by its name in the inventory")
            if _PATH.fullmatch(text):
                what = f"{text!r} is a path of one machine's disk"
                yield Finding(
                    "K1-DISK", place, what, "pass an artifact id or a name, and let the worker find the place"
                )


def _constants(where: str, definition: Definition) -> Iterator[tuple[str, Any]]:
    yield f"{where}: inputTemplate", definition.get("inputTemplate")
    for use in walk(definition.get("tasks", ())):
        yield f"{where}: {use['taskReferenceName']}", use.get("inputParameters")
    yield f"{where}: outputParameters", definition.get("outputParameters")
