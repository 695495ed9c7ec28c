"""Task functions that tell people and count."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from pydantic import BaseModel

from k1nb.errors import PrerequisiteError, RetryableFailure, TaskFailure
from k1nb.paths import private
from k1nb.workers._notice import channels
from k1nb.workers._task import TaskContext, task

log = structlog.get_logger(__name__)


class MessageIn(BaseModel):
    """What to tell; `channel` names the one that is meant, but everybody who is set up is told."""

    message: str
    channel: str | None = None
    workflow_id: str | None = None
    details: Any = None


class MessageOut(BaseModel):
    """Whom the message reached; `channel` lists them, and `problems` has what a channel said against it."""

    sent: bool
    channel: str
    problems: list[str]


def _keep(context: TaskContext, file: str, facts: dict[str, Any]) -> str:
    """Append one line of JSON, secrets masked, to a file under the logs and return its path."""
    line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), **facts}, default=str)
    target = private(context.settings.paths.logs) / file
    with target.open("a", encoding="utf-8") as journal:
        journal.write(context.settings.redact(line) + "\n")
    return str(target)


async def _tell(words: MessageIn, context: TaskContext) -> MessageOut:
    """Write the message into log and file, then send it to each channel; none gets it twice.

    Raises RetryableFailure, with the output that says who was told, where a channel did not take it.
    """
    settings = context.settings
    message = settings.redact(words.message)

    async def write() -> str:
        log.warning("notification", message=message, execution=words.workflow_id)
        await context.log(message)
        return _keep(context, "notifications.jsonl", words.model_dump(mode="json"))

    told = [f"file {await context.once(f'{context.key}/file', str, write)}"]
    problems = []
    known = channels(settings)
    for name, send in known.items():
        try:
            await context.once(f"{context.key}/{name}", str, partial(send, settings, _text(message, words)))
            told.append(name)
        except (TaskFailure, PrerequisiteError) as error:
            problems.append(f"{name}: {error.message}" + (f" ({error.hint})" if error.hint else ""))
    output = MessageOut(sent=not problems, channel=", ".join(told), problems=problems)
    if problems:
        raise RetryableFailure(f"not everybody was told: {'; '.join(problems)}", output=output.model_dump())
    if words.channel and words.channel not in known:
        output.problems.append(f"{words.channel} is not set up")
    return output


def _text(message: str, words: MessageIn) -> str:
    details = [f"- {line}" for line in words.details] if isinstance(words.details, list) else []
    execution = [f"execution {words.workflow_id}"] if words.workflow_id else []
    return "\n".join([message, *details, *execution])


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


@task("send_release_notification")
async def send_release_notification(words: MessageIn, context: TaskContext) -> MessageOut:
    """Tell how a release stands: that it waits for approval, and how it ended."""
    return await _tell(words, context)


@task("send_runbook_notification")
async def send_runbook_notification(words: MessageIn, context: TaskContext) -> MessageOut:
    """Tell that a notebook's run did not pass, or that it could not be run."""
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
