"""The search index of the local server, cleared of what the server has removed and leaves standing in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from k1nb.config import Settings
from k1nb.errors import StorageError
from k1nb.stack._services import CONDUCTOR, DATABASE

_WAIT = 30.0
"""Seconds to wait for the server's own writing."""
_REST = (
    "DELETE FROM workflow_index WHERE workflow_id NOT IN (SELECT workflow_id FROM workflow)",
    "DELETE FROM task_index WHERE task_id NOT IN (SELECT task_id FROM task)",
    "DELETE FROM task_execution_logs WHERE task_id NOT IN (SELECT task_id FROM task)",
)


def clear_index(settings: Settings) -> int:
    """Remove from the local server's index, and from its task logs, what belongs to no execution; return how many rows.

    The server may run. Raises StorageError where its database cannot be written.
    """
    file = settings.paths.stack / CONDUCTOR / DATABASE
    if not file.is_file():
        return 0
    try:
        with closing(
            sqlite3.connect(f"{file.as_uri()}?mode=rw", timeout=_WAIT, isolation_level=None, uri=True)
        ) as base:
            base.execute("BEGIN IMMEDIATE")
            rows = sum(base.execute(statement).rowcount for statement in _REST)
            base.execute("COMMIT")
    except sqlite3.Error as error:
        raise StorageError(
            f"the index of removed executions in {file} was not cleared: {error}",
            hint="the executions are gone, only searches still name them; prune again to clear it",
        ) from error
    return rows
