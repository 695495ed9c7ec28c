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

from pydantic import TypeAdapter, ValidationError

from k1nb.errors import StorageError, TerminalFailure
from k1nb.paths import Paths, write_text

T = TypeVar("T")
Effect = Callable[[], Awaitable[T]]
Look = Callable[[], Awaitable[T | None]]


class Effects:
    """One file per effect under the home, for its owner alone; shared by all tasks of a host.

    A home has one host, so nobody else writes here.
    """

    def __init__(self, paths: Paths) -> None:
        self._folder = paths.effects
        self._running: dict[str, asyncio.Lock] = {}

    async def once(self, key: str, kind: type[T], effect: Effect[T], look: Look[T] | None = None) -> T:
        """Return the kept result of an effect, or bring it about and keep what it returns.

        An effect that raises is not kept. One that began and never ended, for its host was killed, is done again
        unless `look` finds its result. Two calls with one key wait for each other. Raises StorageError where the
        journal cannot be written, TerminalFailure where what is kept is no `kind`.
        """
        file = self._file(key)
        async with self._alone(key):
            if (kept := await asyncio.to_thread(_read, file)) is not None:
                return _restored(key, kind, kept)
            begun = file.with_suffix(".begun")
            doubtful = await asyncio.to_thread(begun.exists)
            result = await look() if doubtful and look else None
            if result is None:
                await asyncio.to_thread(write_text, begun, f"{key}\n")
                try:
                    result = await effect()
                except Exception:
                    await asyncio.to_thread(begun.unlink, missing_ok=True)
                    raise
            await asyncio.to_thread(_keep, file, key, TypeAdapter(kind).dump_python(result, mode="json"))
            await asyncio.to_thread(begun.unlink, missing_ok=True)
            return result

    def _file(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        lock = self._running.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and self._running.get(key) is lock:
                del self._running[key]


def _read(file: Path) -> dict[str, Any] | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(
            f"the journal of effects cannot be read: {file}: {error}",
            hint="find out whether the effect is there; then remove the file, and it is brought about again",
        ) from error
    return kept if isinstance(kept, dict) and "result" in kept else None


def _keep(file: Path, key: str, result: Any) -> None:
    entry = {"key": key, "at": datetime.now(UTC).isoformat(), "result": result}
    write_text(file, json.dumps(entry, ensure_ascii=False))


def _restored(key: str, kind: type[T], kept: dict[str, Any]) -> T:
    try:
        return TypeAdapter(kind).validate_python(kept["result"])
    except ValidationError as error:
        raise TerminalFailure(
            f"the result that is kept of the effect {key!r} is no {kind.__name__}: {error.errors()[0]['msg']}",
            hint="use another key for another kind of effect",
        ) from None
