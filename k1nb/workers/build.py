"""Task functions that turn a commit into a stored artifact."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from k1nb.delivery import retain_artifacts
from k1nb.errors import CommitError, K1Error
from k1nb.firmware import (
    ArtifactStore,
    Commit,
    Limits,
    Repository,
    build_commit,
    build_folder,
    check_commit,
    clean_build_folder,
    count_warnings,
    gate,
    read_usage,
    remove_build_folder,
    repository,
    resolve_commit,
)
from k1nb.workers._program_log import masking
from k1nb.workers._task import TaskContext, task


class CommitIn(BaseModel):
    """A commit named by the pipeline's input."""

    repo: str
    branch: str
    commit_sha: str


class CommitOut(BaseModel):
    """The commit, found and spelt out."""

    valid: bool
    reason: str
    commit_sha: str
    commit_time: datetime


@task("validate_commit")
async def validate_commit(words: CommitIn, context: TaskContext) -> CommitOut:
    """Find the commit in its repository and on its branch, and run the repository's own check; a no is for good."""
    source = repository(context.settings, words.repo)
    commit = await asyncio.to_thread(resolve_commit, source, words.commit_sha, branch=words.branch)
    at = datetime.fromtimestamp(commit.time, UTC)
    if argv := context.settings.commit_checks.get(source.name):
        await _check(source, commit, argv, context)
    return CommitOut(valid=True, reason=commit.subject, commit_sha=commit.sha, commit_time=at)


async def _check(source: Repository, commit: Commit, argv: list[str], context: TaskContext) -> None:
    settings, name = context.settings, f"k1-check-{context.task.id}"
    log = settings.paths.logs / "checks" / f"{name}.log"
    await context.log(f"checking {source.name}@{commit.sha[:12]} with {argv[0]}, log {log}")
    try:
        folder = build_folder(settings.paths, name)
        async with masking(log, settings.redact):
            seconds = await check_commit(source, commit, argv, folder, log, settings.timings)
    finally:
        await asyncio.to_thread(remove_build_folder, settings.paths, name)
    await context.log(f"{argv[0]} passed in {seconds:.1f} s")


class FolderIn(BaseModel):
    """A build folder by its name below the build root; null is nothing to do for a clean-up."""

    build_dir: str | None = None


class CleanOut(BaseModel):
    """The emptied build folder."""

    cleaned: bool
    build_dir: str | None = None


@task("clean_build_env")
async def clean_build_env(words: FolderIn, context: TaskContext) -> CleanOut:
    """Make the build folder empty; anything outside the build root is refused."""
    name = words.build_dir or ""
    await asyncio.to_thread(clean_build_folder, context.settings.paths, name)
    return CleanOut(cleaned=True, build_dir=name)


@task("cleanup_build_artifacts")
async def cleanup_build_artifacts(words: FolderIn, context: TaskContext) -> CleanOut:
    """Remove a build folder after use; the build's log and its artifact live elsewhere and stay."""
    if words.build_dir is None:
        return CleanOut(cleaned=False)
    await asyncio.to_thread(remove_build_folder, context.settings.paths, words.build_dir)
    return CleanOut(cleaned=True, build_dir=words.build_dir)


class CompileIn(CommitIn):
    """A commit, the environment to build and where."""

    environment: str
    build_dir: str


class CompileOut(BaseModel):
    """A finished build; `build_log` is the log's end, `build_log_path` the whole."""

    success: bool
    firmware_bin_path: str
    build_log: str
    build_log_path: str
    build_seconds: float
    stamp: str | None
    error_message: str = ""


@task("platformio_compile", concurrency=1)
async def platformio_compile(words: CompileIn, context: TaskContext) -> CompileOut:
    """Build the commit for one environment with PlatformIO, in a git worktree of its own."""
    settings = context.settings
    source = repository(settings, words.repo)
    commit = await asyncio.to_thread(resolve_commit, source, words.commit_sha)
    log = settings.paths.logs / "builds" / f"{words.build_dir}.log"
    await context.log(f"building {source.name}@{commit.sha[:12]} for {words.environment}, log {log}")
    folder = build_folder(settings.paths, words.build_dir)
    async with masking(log, settings.redact):
        with context.metrics.build(words.environment):
            build = await build_commit(
                source, commit, words.environment, folder, log, settings.timings, stamp=settings.build_stamp
            )
    return CompileOut(
        success=True,
        firmware_bin_path=str(build.image),
        build_log=build.tail,
        build_log_path=str(build.log),
        build_seconds=round(build.seconds, 3),
        stamp=build.stamp,
    )


class MetricsIn(BaseModel):
    """A built image and the build's log."""

    firmware_path: str
    build_output: str


class MetricsOut(BaseModel):
    """What the build's log and image say; null where a number was not found."""

    flash_usage_bytes: int | None
    flash_usage_percent: float | None
    ram_usage_bytes: int | None
    ram_usage_percent: float | None
    warning_count: int
    build_timestamp: datetime
    image_size: int


@task("extract_build_metrics")
async def extract_build_metrics(words: MetricsIn, context: TaskContext) -> MetricsOut:  # noqa: ARG001 - a task takes both
    """Read PlatformIO's size lines and the warnings in the project's own sources."""
    image = Path(words.firmware_path)
    log = Path(words.build_output)
    text = await asyncio.to_thread(log.read_text, encoding="utf-8", errors="replace")
    usage = read_usage(text)
    stat = await asyncio.to_thread(image.stat)
    return MetricsOut(
        flash_usage_bytes=usage.flash_bytes,
        flash_usage_percent=usage.flash_percent,
        ram_usage_bytes=usage.ram_bytes,
        ram_usage_percent=usage.ram_percent,
        # <project>/.pio/build/<environment>/firmware.bin
        warning_count=count_warnings(text, image.parents[3]),
        build_timestamp=datetime.fromtimestamp(stat.st_mtime, UTC),
        image_size=stat.st_size,
    )


class GateIn(BaseModel):
    """The build's numbers and the limits they are held to; a missing number fails."""

    flash_usage_percent: float | None = None
    ram_usage_percent: float | None = None
    warning_count: int | None = None
    max_flash_percent: float
    max_ram_percent: float
    max_warnings: int
    firmware_path: str


class GateOut(BaseModel):
    """Whether the build may be stored, and one text per breach."""

    success: bool
    failure_reasons: list[str]


@task("validate_build")
async def validate_build(words: GateIn, context: TaskContext) -> GateOut:  # noqa: ARG001 - a task takes both
    """Hold the build to its limits."""
    limits = Limits(
        max_flash_percent=words.max_flash_percent,
        max_ram_percent=words.max_ram_percent,
        max_warnings=words.max_warnings,
    )
    reasons = gate(
        flash_percent=words.flash_usage_percent,
        ram_percent=words.ram_usage_percent,
        warnings=words.warning_count,
        image=Path(words.firmware_path),
        limits=limits,
    )
    return GateOut(success=not reasons, failure_reasons=reasons)


class BuildFacts(BaseModel):
    """What is kept with an artifact about its build."""

    repo: str
    branch: str
    environment: str
    commit_time: datetime
    build_time: datetime
    flash_usage: float
    ram_usage: float
    warnings: int
    stamp: str | None = None


class StoreIn(BaseModel):
    """An image, the commit it was built from, and its facts."""

    firmware_path: str
    version: str
    metadata: BuildFacts


class StoreOut(BaseModel):
    """The stored artifact; its id is the sha256 of its bytes."""

    artifact_url: str
    artifact_id: str
    md5: str
    size: int
    removed: list[str]
    """Ids of the artifacts that were beyond retention."""


@task("store_artifact")
async def store_artifact(words: StoreIn, context: TaskContext) -> StoreOut:
    """Keep the image under the sha256 of its bytes: the same bytes are the same artifact. Retention follows."""
    store = ArtifactStore(context.settings.paths)
    facts: dict[str, Any] = {
        "version": words.version,
        "repo": words.metadata.repo,
        "branch": words.metadata.branch,
        "environment": words.metadata.environment,
        "stamp": words.metadata.stamp,
        "flash_percent": words.metadata.flash_usage,
        "ram_percent": words.metadata.ram_usage,
        "warnings": words.metadata.warnings,
    }
    artifact = await asyncio.to_thread(lambda: store.put(Path(words.firmware_path), **facts))
    return StoreOut(
        artifact_url=artifact.path.as_uri(),
        artifact_id=artifact.id,
        md5=artifact.md5,
        size=artifact.size,
        removed=await _retain(context, artifact.id),
    )


async def _retain(context: TaskContext, stored: str) -> list[str]:
    """Remove what is beyond retention; where that cannot be done the stored artifact counts all the same."""
    try:
        removed = await asyncio.to_thread(retain_artifacts, context.settings, stored)
    except K1Error as error:
        await context.log(f"no artifact was removed: {error.message}")
        return []
    if removed:
        await context.log(f"removed beyond retention: {', '.join(each[:12] for each in removed)}")
    return removed


class FailureIn(BaseModel):
    """The names under which Conductor or a person gives the failed execution and its reason."""

    workflow_id: str | None = None
    failed_workflow_id: str | None = None
    reason: str | None = None
    failure_reason: str | None = None


class FailureOut(BaseModel):
    """What a failed build leaves behind."""

    workflow_id: str
    build_dir: str | None
    failed_task: str | None
    reason: str
    commit_sha: str | None = Field(None)


@task("extract_failure_context")
async def extract_failure_context(words: FailureIn, context: TaskContext) -> FailureOut:
    """Read from the failed execution itself what it built, where, and which task failed why."""
    execution_id = words.workflow_id or words.failed_workflow_id
    if not execution_id:
        raise CommitError("no failed execution is named", hint="give workflowId or failed_workflow_id")
    execution = await asyncio.to_thread(context.execution, execution_id)
    failed = [t for t in execution.tasks if t.status.terminal and not t.status.successful]
    folders = [t.output.get("build_dir") for t in execution.tasks if t.type == "clean_build_env"]
    # A gate that refuses fails no task: the TERMINATE behind it ends the execution.
    ended_by = failed or [t for t in execution.tasks if t.kind == "TERMINATE"]
    reason = words.reason or words.failure_reason or execution.reason or "no reason was given"
    return FailureOut(
        workflow_id=execution.id,
        build_dir=next((f for f in folders if f), None),
        failed_task=ended_by[-1].reference if ended_by else None,
        reason=(failed[-1].reason if failed else None) or reason,
        commit_sha=execution.input.get("commit_sha"),
    )
