"""Task functions whose effects are counted, and the process that serves them.

`python -m tests.endurance._effects TASK_TYPE…` is a worker host that may be killed at any moment.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from k1nb.config import Settings, load
from k1nb.workers import TaskContext, TaskFunction, serve, task

BEFORE, AFTER = 0.05, 0.05
"""Seconds that a task works before its effect and after it, so that kills meet it on both sides."""
_TABLES = """
CREATE TABLE IF NOT EXISTS entered (key TEXT, at REAL);
CREATE TABLE IF NOT EXISTS effects (key TEXT, at REAL);
CREATE INDEX IF NOT EXISTS effects_by_key ON effects (key);
"""


class Journal:
    """What was done, on disk before anybody is told. Nothing but `once` keeps an effect from being there twice."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with closing(self._open()) as database:
            database.executescript(_TABLES)

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._file, timeout=60, isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        return database

    def enter(self, key: str) -> None:
        """Note that a task function has begun."""
        with closing(self._open()) as database:
            database.execute("INSERT INTO entered VALUES (?, ?)", (key, time.time()))

    def once(self, key: str) -> bool:
        """Have the effect unless it was had, and tell which: look and effect are one transaction."""
        with closing(self._open()) as database:
            database.execute("BEGIN IMMEDIATE")
            had = database.execute("SELECT 1 FROM effects WHERE key = ?", (key,)).fetchone() is not None
            if not had:
                database.execute("INSERT INTO effects VALUES (?, ?)", (key, time.time()))
            database.execute("COMMIT")
        return not had

    def effects(self) -> int:
        """Return how many effects there are."""
        return self._number("SELECT count(*) FROM effects")

    def twice(self) -> int:
        """Return how many keys have more than one effect."""
        return self._number("SELECT count(*) FROM (SELECT key FROM effects GROUP BY key HAVING count(*) > 1)")

    def again(self) -> int:
        """Return how often a task function was begun again."""
        return self._number("SELECT count(*) FROM entered") - self._number("SELECT count(DISTINCT key) FROM entered")

    def _number(self, query: str) -> int:
        with closing(self._open()) as database:
            return int(database.execute(query).fetchone()[0])


class Given(BaseModel):
    """A number."""

    n: int = 0


def journal_of(settings: Settings) -> Journal:
    """Return the journal of a home."""
    return Journal(settings.home / "effects.sqlite")


def steps(settings: Settings, names: Sequence[str]) -> list[TaskFunction[Any, Any]]:
    """Return a task function for each name, whose effect is one line in the journal."""
    journal = journal_of(settings)

    async def step(given: Given, context: TaskContext) -> Given:
        key = f"{context.execution_id}:{context.task.reference}"
        await asyncio.to_thread(journal.enter, key)
        await asyncio.sleep(BEFORE)
        await asyncio.to_thread(journal.once, key)
        await asyncio.sleep(AFTER)
        return Given(n=given.n + 1)

    return [task(name)(step) for name in names]


if __name__ == "__main__":
    found = load()
    sys.exit(asyncio.run(serve(found, steps(found, sys.argv[1:]))))
