"""Which tasks a host has in hand, and whether an answer was lost that may have brought one more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from k1nb.errors import ConductorError, ConductorUnreachable


class InHand:
    """What was taken from the server and not given back yet."""

    def __init__(self) -> None:
        self._now: set[str] = set()
        self._noted: set[str] | None = None
        self._open: set[object] = set()
        self._answered = asyncio.Event()
        self.doubt = asyncio.Event()
        """Set when an answer was lost that may have brought a task: the server takes that for running here."""

    @contextmanager
    def holding(self, task_id: str) -> Iterator[None]:
        """Have a task in hand until its result is delivered or given up."""
        self._now.add(task_id)
        if self._noted is not None:
            self._noted.add(task_id)
        try:
            yield
        finally:
            self._now.discard(task_id)

    @contextmanager
    def noting(self) -> Iterator[set[str]]:
        """Yield the ids of what is in hand at any time within."""
        self._noted = set(self._now)
        try:
            yield self._noted
        finally:
            self._noted = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Have a request on its way whose answer may bring a task."""
        request = object()
        self._open.add(request)
        try:
            yield
        finally:
            self._open.discard(request)
            self._answered.set()

    async def answers(self) -> None:
        """Return once every request that is on its way now has been answered, or its answer given up."""
        waiting = set(self._open)
        while waiting & self._open:
            self._answered.clear()
            await self._answered.wait()

    def answer_lost(self, error: ConductorError) -> None:
        """Hear how a request failed whose answer may have brought a task."""
        if isinstance(error, ConductorUnreachable) and error.reached:
            self.doubt.set()
