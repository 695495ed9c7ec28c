"""A content-addressed store: files kept under the sha256 of their bytes, each with its facts as JSON beside it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from k1nb.errors import ArtifactError, UnknownName
from k1nb.paths import unwritable, write_bytes, write_text

SHORTEST = 8
"""Digits of an id that are wanted at least."""
_HEX = re.compile(rf"[0-9a-f]{{{SHORTEST},64}}")
_ANY = TypeAdapter(dict[str, Any])


class Content(Protocol):
    """What is known of stored bytes; `id` is their sha256."""

    @property
    def id(self) -> str:
        """The sha256 of the bytes, as 64 hex digits."""

    @property
    def path(self) -> Path:
        """Where the bytes are."""

    @property
    def stored_at(self) -> datetime:
        """When they were stored."""


C = TypeVar("C", bound=Content)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a store keeps, in the words of its errors."""

    name: str
    bytes: str
    """What the bytes are, e.g. `image`."""
    suffix: str
    """Of their files."""
    find: str
    """Hint for whoever asks for what is not there."""
    mend: str
    """Hint for whoever finds something damaged."""


class ContentStore(Generic[C]):
    """Keeps bytes with their facts, and hands out only bytes whose sum is right.

    Bytes are written before their facts and both whole or not at all, so what has facts has bytes.
    """

    def __init__(self, folder: Path, facts: TypeAdapter[C], kind: Kind) -> None:
        self.folder = folder
        self._adapter = facts
        self._kind = kind

    def get(self, wanted: str) -> C:
        """Return what is stored by its id or by a prefix of at least 8 digits that fits no other, its bytes verified.

        Raises UnknownName where nothing fits, ArtifactError where its bytes or facts are missing or damaged.
        """
        content = self._load(self._resolve(wanted))
        self.read(content)
        return content

    def read(self, content: C) -> bytes:
        """Return the bytes, verified; raises ArtifactError where they are missing or damaged."""
        try:
            data = content.path.read_bytes()
        except OSError as error:
            raise self._unreadable(content, error) from error
        if hashlib.sha256(data).hexdigest() != content.id:
            raise self._changed(content, len(data))
        return data

    def list(self) -> list[C]:
        """Return what is stored, newest first, without reading the bytes; damaged facts are left out."""
        found = []
        for name in self._names():
            with suppress(ArtifactError):  # one damaged entry must not hide the others
                found.append(self._load(name))
        return sorted(found, key=lambda content: content.stored_at, reverse=True)

    def remove(self, name: str) -> bool:
        """Remove what is stored by its whole id, its facts first; tell whether it was there. Raises StorageError."""
        there = False
        for file in (self._facts(name), self._file(name)):
            try:
                file.unlink()
                there = True
            except FileNotFoundError:
                continue
            except OSError as error:
                raise unwritable(file, error) from error
        return there

    def _keep(self, content: C, data: bytes | None = None) -> C:
        """Write facts, and before them the bytes where they are given; raises StorageError."""
        if data is not None:
            write_bytes(content.path, data)
        text = self._adapter.dump_json(content, indent=2, exclude={"path"}).decode()
        write_text(self._facts(content.id), f"{text}\n")
        return content

    def _names(self) -> Sequence[str]:
        return sorted(path.stem for path in self.folder.glob("*.json") if _HEX.fullmatch(path.stem))

    def _orphans(self) -> Sequence[str]:
        """Return the names of bytes that have no facts."""
        stored = {path.stem for path in self.folder.glob(f"*{self._kind.suffix}") if _HEX.fullmatch(path.stem)}
        return sorted(stored - set(self._names()))

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}{self._kind.suffix}"

    def _facts(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _resolve(self, wanted: str) -> str:
        kind = self._kind
        if not _HEX.fullmatch(wanted):
            what = f"{wanted!r} is no {kind.name} id: {SHORTEST} to 64 hex digits of its sha256 are wanted"
            raise UnknownName(what, hint=kind.find)
        fitting = [name for name in self._names() if name.startswith(wanted)]
        if not fitting:
            raise UnknownName(f"no {kind.name} {wanted} is stored in {self.folder}", hint=kind.find)
        if len(fitting) > 1:
            raise UnknownName(f"{wanted} fits {len(fitting)} {kind.name}s", hint=f"give more digits; {kind.find}")
        return fitting[0]

    def _load(self, name: str) -> C:
        try:
            facts = _ANY.validate_json(self._facts(name).read_bytes())
            content = self._adapter.validate_python({**facts, "path": self._file(name)})
        except OSError as error:
            raise self._damaged(name, f"its facts cannot be read ({error.strerror})") from error
        except ValidationError as error:
            wrong = error.errors()[0]["msg"]
            raise self._damaged(name, f"its facts are not as they were written: {wrong}") from None
        if content.id != name:
            raise self._damaged(name, f"its facts are those of {content.id[:12]}")
        return content

    def _unreadable(self, content: C, error: OSError) -> ArtifactError:
        return self._damaged(content.id, f"its {self._kind.bytes} cannot be read ({error.strerror})")

    def _changed(self, content: C, size: int) -> ArtifactError:
        return self._damaged(content.id, f"the {size:,} bytes of {content.path} have another sha256")

    def _damaged(self, name: str, fault: str) -> ArtifactError:
        return ArtifactError(f"{self._kind.name} {name[:12]} is damaged: {fault}", hint=self._kind.mend)
