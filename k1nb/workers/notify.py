"""Task functions that tell people and count."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel

from k1nb.paths import private
from k1nb.workers._task import TaskContext, task

log = structlog.get_logger(__name__)


class MessageIn(BaseModel):
    """What to tell; a channel that is not set up falls back to log and file."""

    message: str
    channel: str | None = None
    workflow_id: str | None = None
    details: Any = None


class MessageOut(BaseModel):
    """Where the message went."""

    sent: bool
    channel: str


def _keep(context: TaskContext, file: str, facts: dict[str, Any]) -> str:
    """Append one line of JSON, secrets masked, to a file under the logs and return its path."""
    line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), **facts}, default=str)
    target = private(context.settings.paths.logs) / file
    with target.open("a", encoding="utf-8") as journal:
        journal.write(context.settings.redact(line) + "\n")
    return str(target)


async def _tell(words: MessageIn, context: TaskContext) -> MessageOut:
    message = context.settings.redact(words.message)
    log.warning("notification", message=message, execution=words.workflow_id)
    await context.log(message)
    target = _keep(context, "notifications.jsonl", words.model_dump(mode="json"))
    return MessageOut(sent=True, channel=f"file {target}")


@task("send_build_failure_notification")
async def send_build_failure_notification(words: MessageIn, context: TaskContext) -> MessageOut:
    """Tell that a build was refused by its gate."""
    return await _tell(words, context)


@task("send_failure_notification")
async def send_failure_notification(words: MessageIn, context: TaskContext) -> MessageOut:
    """Tell that a build failed."""
    return await _tell(words, context)


@task("send_rollback_notification")
async def send_rollback_notification(words: MessageIn, context: TaskContext) -> MessageOut:
    """Tell that a device was put back onto its last good firmware."""
    return await _tell(words, context)


class FailureMetricIn(BaseModel):
    """A kind of failure and its reason."""

    failure_type: str
    reason: str | None = None


class FailureMetricOut(BaseModel):
    """Whether the failure was written down."""

    logged: bool


@task("log_failure_metrics")
async def log_failure_metrics(words: FailureMetricIn, context: TaskContext) -> FailureMetricOut:
    """Write the failure down where it can be counted."""
    _keep(context, "failures.jsonl", words.model_dump(mode="json"))
    return FailureMetricOut(logged=True)
