"""What no route of the server can bring about: an execution that the server has lost sight of."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from k1nb.conductor import Execution

SECONDS = 15
"""How long ago it was forgotten: longer than a fifth of the usual patience, and shorter than that of the hosts that
other tests leave running, so that they do not mend it first."""
_MOMENTS = ("createTime", "updatedTime", "scheduledTime", "startTime", "updateTime", "endTime", "firstScheduledTime")
_STATEMENTS = {
    "task": (
        "SELECT json_data FROM task WHERE task_id = ?",
        "UPDATE task SET json_data = ? WHERE task_id = ?",
    ),
    "workflow": (
        "SELECT json_data FROM workflow WHERE workflow_id = ?",
        "UPDATE workflow SET json_data = ? WHERE workflow_id = ?",
    ),
}

_OF_THE_EXECUTION = (
    "DELETE FROM workflow_index WHERE workflow_id = ?",
    "DELETE FROM task_scheduled WHERE workflow_id = ?",
    "DELETE FROM workflow_to_task WHERE workflow_id = ?",
)
_OF_A_TASK = (
    "DELETE FROM task WHERE task_id = ?",
    "DELETE FROM task_index WHERE task_id = ?",
    "DELETE FROM task_in_progress WHERE task_id = ?",
)


def forget(database: Path, execution: Execution) -> None:
    """Complete an execution's open tasks, but for a loop around them, behind the server's back, and empty its queues.

    That is the state it is left in when the sweeper cannot get its lock; it is as if that was some seconds ago.
    """
    open_tasks = {task.id for task in execution.tasks if not task.status.terminal and task.kind != "DO_WHILE"}
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        _change(connection, "workflow", execution.id, {})
        for task in execution.tasks:
            ended = {"status": "COMPLETED", "endTime": _milliseconds(execution)} if task.id in open_tasks else {}
            _change(connection, "task", task.id, ended)
        for message in (execution.id, *(task.id for task in execution.tasks)):
            connection.execute("DELETE FROM queue_message WHERE message_id = ?", (message,))


def forget_start(database: Path, execution: Execution) -> None:
    """Take everything of an execution from the server but itself.

    That is the state it is left in when the server is killed as it starts one; it is as if that was some seconds ago.
    """
    tasks = [task.id for task in execution.tasks]
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        _change(connection, "workflow", execution.id, {})
        for statement in _OF_THE_EXECUTION:
            connection.execute(statement, (execution.id,))
        for statement in _OF_A_TASK:
            connection.executemany(statement, [(task,) for task in tasks])
        for message in (execution.id, *tasks):
            connection.execute("DELETE FROM queue_message WHERE message_id = ?", (message,))


def _change(connection: sqlite3.Connection, table: str, key: str, changes: dict[str, Any]) -> None:
    read, write = _STATEMENTS[table]
    (text,) = connection.execute(read, (key,)).fetchone()
    data = {**json.loads(text), **changes}
    aged = {name: data[name] - SECONDS * 1000 for name in _MOMENTS if data.get(name)}
    connection.execute(write, (json.dumps({**data, **aged}), key))


def _milliseconds(execution: Execution) -> int:
    return int(execution.started_at.timestamp() * 1000) if execution.started_at else 0
