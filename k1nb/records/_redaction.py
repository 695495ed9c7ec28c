"""Redaction of what is kept: every text in it, wherever it is nested, and one that goes on from output to output."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from k1nb.records._nbformat import nbformat
from k1nb.secrets import MASK, Redactor

# What readers of notebooks and manifests find their way by: k1nb, nbformat and papermill write it, no operator does.
_STRUCTURE = frozenset(
    {
        *("cells", "cell_type", "id", "metadata", "source", "outputs", "output_type", "data", "text", "name"),
        *("execution_count", "nbformat", "nbformat_minor", "tags", "papermill", "parameters", "traceback"),
        *("ename", "evalue", "kernelspec", "language_info"),
    }
)
_KINDS = {
    "cell_type": ("code", "markdown", "raw"),
    "output_type": ("stream", "display_data", "execute_result", "error"),
}
_BINARY = re.compile(r"image/(?!svg)|audio/|video/|font/|application/(pdf|octet-stream|zip|gzip)$")
_EMBEDDED = re.compile(r"(?<=;base64,)[A-Za-z0-9+/=\s]+")
_PACKED = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")
_UNPACKED_LIMIT = 1 << 20
"""Bytes that are looked at of each packed part: descriptions are short, and pixels say nothing."""
_APART = "\x18}{}{"
"""What stands between texts that do not follow each other: it ends a terminal's sequence, and all views keep of it."""
_SHORT = 1000
"""Characters below which a text is looked at with its name too: longer ones are no part of a secret."""

Slot = tuple[Any, Any]
"""A container, and the key or index of a text in it."""


def scrub(value: Any, redact: Redactor) -> Any:
    """Return JSON-able data with every secret masked: in texts, in names, and in numbers that spell one.

    Streams are looked at as a whole, also where the other one or another output comes between. Pictures and other
    binary data that hold a secret are left out, with a word in their place. What the structure of a notebook hangs on
    stays as it is.
    """
    return _Scrub(redact).of(value)


def redacted_notebook(executed: Any, redact: Redactor) -> Any:
    """Return a copy of a notebook with every secret masked."""
    return nbformat().from_dict(scrub(executed, redact))


def leaks(folder: Path, redact: Redactor) -> list[Path]:
    """Return the files below a folder in which a secret still is, or in whose names."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return [file for file in files if leaky(file.name, file.read_bytes(), redact)]


def leaky(name: str, data: bytes, redact: Redactor) -> bool:
    """Tell whether a secret is in a file's name or bytes, as text, as JSON, or packed."""
    if redact.found(name) or _holds(data, redact):
        return True
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return bool(scrub(content, redact) != content)


def masks(files: Iterable[Path]) -> int:
    """Count the masks in some files: places in which a secret was."""
    return sum(file.read_bytes().count(MASK.encode()) for file in files)


def _holds(data: bytes, redact: Redactor) -> bool:
    return any(redact.holds(part) for part in (data, *_unpacked(data)))


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Yield what is compressed within some bytes, as the texts of a PNG or the pages of a PDF may be."""
    view = memoryview(data)
    for match in _PACKED.finditer(data):
        try:
            yield zlib.decompressobj(wbits=47).decompress(view[match.start() :], _UNPACKED_LIMIT)
        except zlib.error:
            continue  # it only looked like the beginning


class _Scrub:
    """One walk through some data: it is copied, then its texts are masked all at once."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._slots: list[Slot] = []
        self._texts: list[str] = []
        self._named: list[dict[str, Any]] = []
        self._cells: list[dict[str, Any]] = []
        self._channels: dict[str, list[Slot]] = {}

    def of(self, value: Any) -> Any:
        root = self._copy([value])
        self._mask(self._slots, self._texts)
        for slots in self._channels.values():
            if len(slots) > 1:
                self._mask(slots, [container[key] for container, key in slots])
        self._rename()
        for number, cell in enumerate(self._cells):
            _keep_valid(number, cell)
        return root[0]

    def _mask(self, slots: Sequence[Slot], texts: Sequence[str]) -> None:
        """Mask texts that follow each other, and put those that have changed into their places."""
        for (container, key), text, before in zip(slots, self._redact.across(texts), texts, strict=True):
            if text != before:
                container[key] = text

    def _rename(self) -> None:
        """Mask what things are called, and what goes on from a name to its text or from a text to the next name."""
        flows = [_flow(each) for each in self._named]
        if not self._redact.found("".join(text for flow in flows for text in (_APART, *flow))):
            return
        for each, flow in zip(self._named, flows, strict=True):
            clean = self._redact.across(flow)
            if clean != flow:
                _renew(each, flow, clean)

    def _copy(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._copy_dict(value)
        if isinstance(value, list | tuple):
            items = [self._copy(item) for item in value]
            self._take(*((items, place) for place in range(len(items))))
            return items
        return value

    def _copy_dict(self, value: dict[str, Any]) -> dict[str, Any]:
        copy = {name: self._copy(item) for name, item in value.items()}
        for name in [name for name in copy if _BINARY.match(name) and self._in_base64(copy[name])]:
            del copy[name]
            left = "".join(copy.get("text/plain", ""))
            copy["text/plain"] = f"{left}\n{MASK}: {self._redact(name)} held a secret".lstrip()
        for name, item in copy.items():
            if not (name in _KINDS and item in _KINDS[name]):
                self._take((copy, name))
        self._named.append(copy)
        if "cell_type" in copy:
            self._cells.append(copy)
        if "output_type" in copy:
            self._follow(copy)
        return copy

    def _take(self, *slots: Slot) -> None:
        """Note texts that follow each other; a number that spells a secret is masked at once."""
        for container, key in slots:
            item = container[key]
            if isinstance(item, str):
                if ";base64," in item:
                    container[key] = item = _EMBEDDED.sub(self._embedded, item)
                self._slots.append((container, key))
                self._texts.append(item)
            elif self._redact.numeric and isinstance(item, int | float) and self._redact.found(str(item)):
                container[key] = self._redact(str(item))
        self._slots.append(([""], 0))
        self._texts.append(_APART)

    def _follow(self, output: dict[str, Any]) -> None:
        """Note the texts of an output with those that come before it in the same stream, and on the page."""
        if output["output_type"] == "stream":
            slots = list(_parts(output, "text"))
            self._channels.setdefault(str(output.get("name")), []).extend(slots)
        else:
            data = output.get("data")
            shown = _parts(data, "text/plain") if isinstance(data, dict) else ()
            if isinstance(data, dict):
                self._channels.setdefault("text/html", []).extend(_parts(data, "text/html"))
            slots = [*_parts(output, "evalue"), *_parts(output, "traceback"), *shown]
        self._channels.setdefault("", []).extend(slots)

    def _embedded(self, match: re.Match[str]) -> str:
        return MASK if self._in_base64(match[0]) else match[0]

    def _in_base64(self, text: Any) -> bool:
        """Tell whether a secret is in what some base64 stands for."""
        try:
            data = base64.b64decode("".join(text))
        except (binascii.Error, ValueError, TypeError):
            return False  # it is a text like any other
        return _holds(data, self._redact)


def _flow(named: dict[str, Any]) -> list[str]:
    """Return names and texts in turn, as JSON has them; what is neither or must stay is a text of its own."""
    flow = []
    for name, item in named.items():
        free = name not in _STRUCTURE and not (name in _KINDS and item in _KINDS[name])
        flow += [name if free else _APART, item if free and isinstance(item, str) and len(item) < _SHORT else _APART]
    return flow


def _renew(named: dict[str, Any], before: Sequence[str], after: Sequence[str]) -> None:
    """Put names and texts into the place of earlier ones; two things that then are called the same get numbers."""
    items = list(named.items())
    named.clear()
    for place, (name, item) in enumerate(items):
        (old, old_text), (wanted, text) = before[2 * place : 2 * place + 2], after[2 * place : 2 * place + 2]
        new = unnumbered = wanted if wanted != old else name
        number = 1
        while new in named:
            number += 1
            new = f"{unnumbered} {number}"
        named[new] = text if text != old_text else item


def _parts(container: dict[str, Any], key: str) -> Iterator[Slot]:
    """Yield the places of a text that may be a list of lines."""
    item = container.get(key)
    if isinstance(item, str):
        yield container, key
    elif isinstance(item, list):
        yield from ((item, place) for place, line in enumerate(item) if isinstance(line, str))


def _keep_valid(number: int, cell: dict[str, Any]) -> None:
    """Mend what of a cell must be of a certain form and was masked: its id, and tags that now are the same."""
    if MASK in str(cell.get("id", "")):
        cell["id"] = f"redacted-{number}"
    metadata = cell.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("tags"), list):
        return
    if any(MASK in str(tag) for tag in metadata["tags"]):
        metadata["tags"] = list(dict.fromkeys(map(str, metadata["tags"])))
