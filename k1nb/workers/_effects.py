"""The journal of effects: what a task function did to the world is done once, however often its task is delivered."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from k1nb._http import sendable
from k1nb.errors import StorageError, TerminalFailure
from k1nb.paths import Paths, write_text

T = TypeVar("T")
Effect = Callable[[], Awaitable[T]]
Look = Callable[[], Awaitable[T | None]]

_RESULT = "result"
_FAULT = "fault"
"""What stands in an entry instead of a result that is none."""


class Effects:
    """One file per effect under the home, for its owner alone; shared by all tasks of a host.

    A home has one host, so nobody else writes here.
    """

    def __init__(self, paths: Paths) -> None:
        self._folder = paths.effects
        self._running: dict[str, tuple[asyncio.Lock, int]] = {}
        """For each key the lock of its callers, and how many they are."""

    async def once(self, key: str, kind: type[T], effect: Effect[T], look: Look[T] | None = None) -> T:
        """Return the kept result of an effect, or bring it about and keep what it returns.

        An effect that raised, or whose host was killed within it, may have happened: it is done again unless `look`
        finds its result. Calls with one key wait for each other. Raises StorageError where the journal cannot be
        read or written, TerminalFailure where the result or what is kept of it is no `kind`, now and ever after.
        """
        file, adapter = self._file(key), _adapter(key, kind)
        async with self._alone(key):
            if (kept := await asyncio.to_thread(_read, file)) is not None:
                return _restored(key, kind, adapter, kept)
            begun = file.with_suffix(".begun")
            doubtful = await asyncio.to_thread(begun.exists)
            result = await look() if doubtful and look else None
            if result is None:
                await asyncio.to_thread(write_text, begun, f"{sendable(key)}\n")
                result = await effect()
            entry = _entry(adapter, result)
            await asyncio.to_thread(_keep, file, key, entry)
            await asyncio.to_thread(begun.unlink, missing_ok=True)
            if _FAULT in entry:
                raise _unusable(key, entry[_FAULT])
            return result

    def _file(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}.json"

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        lock, users = self._running.get(key, (asyncio.Lock(), 0))
        self._running[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            users = self._running[key][1] - 1
            self._running[key] = lock, users
            if not users:
                del self._running[key]


def _adapter(key: str, kind: type[T]) -> TypeAdapter[T]:
    try:
        return TypeAdapter(kind)
    except (PydanticUserError, NameError, TypeError) as error:
        raise TerminalFailure(
            f"no result of the effect {key!r} could be kept: {str(error).splitlines()[0]}",
            hint="let the effect return plain data or a pydantic model; it was not brought about",
        ) from None


def _read(file: Path) -> dict[str, Any] | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, error) from error
    if not isinstance(kept, dict) or not kept.keys() & {_RESULT, _FAULT}:
        raise _damaged(file, "it is no entry of the journal")
    return kept


def _damaged(file: Path, why: object) -> StorageError:
    return StorageError(
        f"the journal of effects cannot be read: {file}: {why}",
        hint="find out whether the effect is there; then remove the file, and it is brought about again",
    )


def _entry(adapter: TypeAdapter[T], result: T) -> dict[str, Any]:
    """Return what is kept of a result, proven to be readable again, or why it cannot be kept."""
    try:
        plain = adapter.dump_python(result, mode="json", warnings=False)
        adapter.validate_python(json.loads(json.dumps(plain)))
    except ValidationError as error:
        return {_FAULT: error.errors()[0]["msg"]}
    except Exception as error:  # noqa: BLE001 - whatever a serializer raises: the effect has happened, and must not be repeated
        return {_FAULT: f"{type(error).__name__}: {error}"}
    return {_RESULT: plain}


def _keep(file: Path, key: str, entry: dict[str, Any]) -> None:
    write_text(file, json.dumps({"key": key, "at": datetime.now(UTC).isoformat(), **entry}))


def _restored(key: str, kind: type[T], adapter: TypeAdapter[T], kept: dict[str, Any]) -> T:
    if _FAULT in kept:
        raise _unusable(key, kept[_FAULT])
    try:
        return adapter.validate_python(kept[_RESULT])
    except ValidationError as error:
        name, why = getattr(kind, "__name__", kind), error.errors()[0]["msg"]
        raise TerminalFailure(
            f"the result that is kept of the effect {key!r} is no {name}: {why}",
            hint="use another key for another kind of effect",
        ) from None


def _unusable(key: str, fault: Any) -> TerminalFailure:
    return TerminalFailure(
        f"the effect {key!r} has happened, and its result cannot be kept: {fault}",
        hint="correct what the effect returns or its kind; it is not brought about again under this key",
    )
