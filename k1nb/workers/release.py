"""Task functions of a release: the web app beside the firmware, tests of both together, approval, and how it ended."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from k1nb import delivery
from k1nb.conductor import Conductor, ExecutionStatus, Schedule, innermost
from k1nb.config import Settings
from k1nb.delivery import approvals, webapp
from k1nb.device import Device
from k1nb.errors import (
    ConductorNotFound,
    ConsentError,
    PrerequisiteError,
    RetryableFailure,
    TerminalFailure,
    UsageError,
)
from k1nb.firmware import build_folder, remove_build_folder, repository, resolve_commit
from k1nb.paths import private
from k1nb.workers._program_log import masking
from k1nb.workers._task import TaskContext, task

LIMIT_WORKFLOW = "k1nb-approval-limit"
"""The workflow that ends what waits too long for its approval, and the schedule that starts it every minute."""
_EVERY_MINUTE = "0 * * * * ?"
SUCCESS, FAILED, CANCELLED = "success", "failed", "cancelled"


class ReleaseIn(BaseModel):
    """A release and its two devices, each by name, MAC or address; nothing given is none of them.

    `allow_same_device` names the one device that is to be both.
    """

    release_version: str
    test_device: str | None = None
    test_device_ip: str | None = None
    prod_device: str | None = None
    prod_device_ip: str | None = None
    allow_same_device: str | bool | None = None


class ReleaseOut(BaseModel):
    """Both devices by MAC, for a name may come to mean another one, and by name."""

    release_version: str
    test_device: str
    test_name: str
    prod_device: str
    prod_name: str


@task("check_release")
async def check_release(words: ReleaseIn, context: TaskContext) -> ReleaseOut:
    """Find both devices; refuse a release whose test device is a production device, or the one it releases to."""
    settings = context.settings
    test = _named(settings, "test_device", words.test_device, words.test_device_ip)
    prod = _named(settings, "prod_device", words.prod_device, words.prod_device_ip)
    if not webapp.is_release_name(words.release_version):
        hint = "give letters, digits, dots, dashes, underscores and plus signs, 80 at most, such as 1.4.0"
        raise UsageError(f"release_version {words.release_version!r} is no name of a release", hint=hint)
    delivery.require_allowed(test, allow_production=False)
    if test.mac == prod.mac and not _overridden(settings, words.allow_same_device, test):
        raise ConsentError(
            f"test_device and prod_device are the same device, {test.label}: an approval would protect nothing",
            hint=f"name another one; or, to have it so, start it with allow_same_device={test.name}",
        )
    return ReleaseOut(
        release_version=words.release_version,
        test_device=test.mac,
        test_name=test.name,
        prod_device=prod.mac,
        prod_name=prod.name,
    )


def _named(settings: Settings, key: str, name: str | None, address: str | None) -> Device:
    if not name and not address:
        raise UsageError(f"{key} is not given", hint="name a device of `k1nb device list`")
    return delivery.resolve(settings, name, address)


def _overridden(settings: Settings, named: str | bool | None, device: Device) -> bool:
    """Tell whether somebody has named this very device; a mere true names none."""
    return isinstance(named, str) and bool(named) and delivery.resolve(settings, named).mac == device.mac


class WebBuildIn(BaseModel):
    """The commit whose web app is built."""

    repo: str
    branch: str
    commit_sha: str


class WebBuildOut(BaseModel):
    """The stored web app; its id is the sha256 of its archive. `build_log` is the log's end."""

    artifact_url: str
    artifact_id: str
    commit_sha: str
    size: int
    files: int
    build_seconds: float
    build_log: str
    build_log_path: str


@task("build_webapp", concurrency=1)
async def build_webapp(words: WebBuildIn, context: TaskContext) -> WebBuildOut:
    """Build the web app of a commit with npm, in a git worktree of its own, and store it."""
    settings, name = context.settings, f"k1-webapp-{context.task.id}"
    source = repository(settings, words.repo)
    commit = await asyncio.to_thread(resolve_commit, source, words.commit_sha, branch=words.branch)
    log = settings.paths.logs / "builds" / f"{name}.log"
    await context.log(f"building the web app of {source.name}@{commit.sha[:12]}, log {log}")
    try:
        folder = build_folder(settings.paths, name)
        async with masking(log, settings.redact):
            built = await webapp.build_webapp(
                source, commit, folder, log, cache=settings.cache, timings=settings.timings
            )
        facts = {"version": commit.sha, "repo": source.name, "branch": words.branch}
        stored = await asyncio.to_thread(lambda: webapp.WebAppStore(settings.paths).put(built.output, **facts))
    except PrerequisiteError as error:  # it is not there at the next try either
        raise TerminalFailure(error.message, hint=error.hint) from error
    finally:
        await asyncio.to_thread(remove_build_folder, settings.paths, name)
    return WebBuildOut(
        artifact_url=stored.path.as_uri(),
        artifact_id=stored.id,
        commit_sha=commit.sha,
        size=stored.size,
        files=stored.files,
        build_seconds=round(built.seconds, 3),
        build_log=built.tail,
        build_log_path=str(log),
    )


class WebDeployIn(BaseModel):
    """A stored web app, where it goes, and the device that its page talks to."""

    webapp_artifact: str
    environment: str
    device: str
    release_version: str


class WebDeployOut(BaseModel):
    """The release that is served, and the one before it; null where nothing was."""

    deployed: bool
    url: str
    release: str
    previous: str | None
    evidence: list[str]


@task("deploy_webapp_staging")
async def deploy_webapp_staging(words: WebDeployIn, context: TaskContext) -> WebDeployOut:
    """Put a web app into service where it is tried out."""
    if words.environment != "staging":
        raise UsageError(f"this task deploys to staging, not to {words.environment!r}", hint="correct the definition")
    return await _deploy(words, context)


@task("deploy_webapp_prod")
async def deploy_webapp_prod(words: WebDeployIn, context: TaskContext) -> WebDeployOut:
    """Put a web app into production, where a person has approved that."""
    if words.environment != "production":
        raise UsageError(
            f"this task deploys to production, not to {words.environment!r}", hint="correct the definition"
        )
    allowed = await delivery.require_webapp_consent(
        context.settings, words.webapp_artifact, execution_id=context.execution_id
    )
    return await _deploy(words, context, allowed)


async def _deploy(words: WebDeployIn, context: TaskContext, allowed: list[str] | None = None) -> WebDeployOut:
    device = delivery.resolve(context.settings, words.device)
    done = await webapp.deploy(
        context.settings, words.environment, words.webapp_artifact, words.release_version, device
    )
    return WebDeployOut(
        deployed=True,
        url=done.url,
        release=done.release,
        previous=done.previous,
        evidence=[*done.evidence, *(allowed or ())],
    )


class WebRollbackIn(BaseModel):
    """What is taken back; a release that is not served is left alone."""

    environment: str
    webapp_artifact: str
    device: str
    release_version: str


class WebRollbackOut(BaseModel):
    """What is served now; null where nothing is."""

    release: str | None
    rolled_back: bool
    evidence: list[str]


@task("rollback_webapp")
async def rollback_webapp(words: WebRollbackIn, context: TaskContext) -> WebRollbackOut:
    """Put back what was served before a release, where that release is what is served."""
    settings = context.settings
    device = delivery.resolve(settings, words.device)
    failed = webapp.release_facts(settings, words.environment, words.webapp_artifact, words.release_version, device)
    done = await webapp.restore(settings, words.environment, failed.release)
    return WebRollbackOut(release=done.release, rolled_back=done.changed, evidence=done.evidence)


class TrialIn(BaseModel):
    """The release that is tried, where, and the device that its page talks to."""

    environment: str
    release: str
    device: str
    webapp_url: str | None = None


class TrialOut(BaseModel):
    """Whether all was well, and each question with its answer."""

    passed: bool
    webapp_url: str | None
    report: list[dict[str, Any]]


@task("run_integration_tests")
async def run_integration_tests(words: TrialIn, context: TaskContext) -> TrialOut:
    """Ask page, API and device as somebody would who opens the page; what is not well fails the task."""
    device = delivery.resolve(context.settings, words.device)
    trial = await webapp.try_release(context.settings, words.environment, words.release, device)
    report = [check.as_dict() for check in trial.checks]
    output = TrialOut(passed=trial.passed, webapp_url=words.webapp_url, report=report)
    if not trial.passed:
        wrong = "; ".join(f"{one['name']}: {one['evidence']}" for one in report if one["status"] != "OK")
        raise RetryableFailure(f"the release does not pass: {wrong}", output=output.model_dump())
    return output


class WatchIn(BaseModel):
    """The execution that is about to wait for its approval."""

    workflow_id: str


class WatchOut(BaseModel):
    """The schedule that ends what waits too long, and how long that is, in seconds."""

    schedule: str
    next_look: datetime | None
    limit_seconds: int


@task("watch_approval")
async def watch_approval(words: WatchIn, context: TaskContext) -> WatchOut:  # noqa: ARG001 - a task takes both
    """Have the server's own scheduler look every minute for gates whose time is over; once more changes nothing."""
    what = "Ends what waits too long for its approval; is there only while something may wait."
    schedule = Schedule(LIMIT_WORKFLOW, _EVERY_MINUTE, LIMIT_WORKFLOW, version=1, description=what)

    def put() -> Schedule:
        with Conductor.from_settings(context.settings) as conductor:
            return conductor.put_schedule(schedule)

    kept = await asyncio.to_thread(put)
    limit = context.settings.approval_seconds
    return WatchOut(schedule=kept.name, next_look=kept.next_run, limit_seconds=limit)


class NoIn(BaseModel):
    """Nothing."""


class ClosedOut(BaseModel):
    """The executions whose gates were answered with no, and whether the schedule was removed."""

    closed: list[str]
    idle: bool


@task("close_overdue_approvals", concurrency=1)
async def close_overdue_approvals(words: NoIn, context: TaskContext) -> ClosedOut:  # noqa: ARG001 - a task takes both
    """Answer no for everybody who did not answer in time; remove the schedule once nothing can come to a gate."""
    return await asyncio.to_thread(_close, context.settings)


def _close(settings: Settings) -> ClosedOut:
    with Conductor.from_settings(settings) as conductor:
        closed = approvals.close_overdue(settings, conductor)
        idle = not approvals.any_gated(conductor)
        if idle:
            conductor.remove_schedule(LIMIT_WORKFLOW)
        # Sixty looks an hour that found nothing would hide what people look for.
        for earlier in conductor.find(name=LIMIT_WORKFLOW, status=ExecutionStatus.COMPLETED):
            if not earlier.output.get("closed"):
                with suppress(ConductorNotFound):  # the search lags
                    conductor.remove(earlier.id)
    return ClosedOut(closed=[one.gate.execution.id for one in closed], idle=idle)


class CancelledIn(BaseModel):
    """Why a release does not go on, by whom, and which one."""

    reason: str
    release_version: str
    by: str | None = None
    why: str | None = None


class StatusOut(BaseModel):
    """How a release ended, and why."""

    status: str
    reasons: list[str]


@task("deployment_cancelled")
async def deployment_cancelled(words: CancelledIn, context: TaskContext) -> StatusOut:
    """Write down that a release was not approved."""
    said = f"{words.reason}, by {words.by or 'nobody named'}" + (f": {words.why}" if words.why else "")
    return _ended(context, words.release_version, CANCELLED, [said], {})


class FinalIn(BaseModel):
    """What became of each part of a release in production; null where a part was not begun."""

    release_version: str
    deployment_complete: bool | None = None
    webapp_deployed: bool | None = None
    webapp_release: str | None = None
    firmware_status: str | None = None
    firmware_outcome: str | None = None
    firmware_reason: str | None = None
    webapp_reason: str | None = None
    firmware_artifact: str | None = None
    webapp_artifact: str | None = None
    device: str | None = None
    approved_by: str | None = None
    report: list[dict[str, Any]] = Field(default_factory=list)


@task("final_status")
async def final_status(words: FinalIn, context: TaskContext) -> StatusOut:
    """Judge a release by its parts: success only where each was done and the smoke tests passed."""
    reasons = []
    if words.webapp_deployed is not True:
        reasons.append(
            f"the web app was not put into production: {innermost(words.webapp_reason or 'no reason was given')}"
        )
    elif words.firmware_status != SUCCESS:
        said = [text for text in (words.firmware_outcome, innermost(words.firmware_reason or "")) if text]
        reasons.append(f"the firmware was not deployed: {', '.join(said) or 'its deployment did not conclude'}")
    elif words.deployment_complete is not True:
        wrong = [f"{one.get('name')}: {one.get('evidence')}" for one in words.report if one.get("status") != "OK"]
        reasons.append("the smoke tests did not pass: " + ("; ".join(wrong) or "they gave no report"))
    status = FAILED if reasons else SUCCESS
    return _ended(context, words.release_version, status, reasons, words.model_dump(mode="json", exclude={"report"}))


def _ended(
    context: TaskContext, release_version: str, status: str, reasons: list[str], facts: dict[str, Any]
) -> StatusOut:
    """Add a line to the list of releases under the artifacts; a task that is delivered twice adds none twice."""
    entry = {
        **facts,
        "release_version": release_version,
        "execution": context.execution_id,
        "task": context.task.id,
        "status": status,
        "reasons": reasons,
    }
    file = private(context.settings.paths.artifacts) / "releases.jsonl"
    known = file.read_text(encoding="utf-8") if file.exists() else ""
    if f'"task": "{context.task.id}"' not in known:
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), **entry})
        with file.open("a", encoding="utf-8") as journal:
            journal.write(context.settings.redact(line) + "\n")
    return StatusOut(status=status, reasons=reasons)
