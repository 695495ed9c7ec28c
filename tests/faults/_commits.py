"""Commits that must not get through, and images that must not stay."""

from __future__ import annotations

from collections.abc import Iterator

from k1nb.conductor import Conductor, Execution, ExecutionStatus
from k1nb.firmware import Grade, Outcome
from tests.faults._bench import HEALTH, MAIN, Bench, Change, Seen
from tests.faults._case import Case, More


def appended(text: str) -> Change:
    """Return the change that adds a text."""
    return lambda good: good + text


def defined(name: str, value: str) -> Change:
    """Return the change that defines a figure of `health.h` otherwise."""

    def change(good: str) -> str:
        lines = [f"#define {name} {value}" if li.startswith(f"#define {name} ") else li for li in good.splitlines()]
        return "\n".join(lines) + "\n"

    return change


def ballast(size: int) -> Change:
    """Return the change that adds a table of so many bytes."""
    return appended(f"\n__attribute__((used)) const unsigned char ballast[{size}] = {{1}};\n")


def refused(task: str, *words: str) -> More:
    """Return a look at a build that must have been ended by this task, for this reason."""

    def more(bench: Bench, seen: Seen) -> Iterator[str]:
        build = seen.child("firmware-build")
        if build is None or build.status is not ExecutionStatus.FAILED:
            yield "the build is to be FAILED"
            return
        said = " ".join([build.reason, *(str(t.output) + t.reason for t in build.tasks if t.status.terminal)])
        for word in words:
            if word not in said:
                yield f"the build does not say {word!r}"
        yield from handler(bench, seen, build, task)

    return more


def handler(bench: Bench, seen: Seen, build: Execution, task: str) -> Iterator[str]:
    """Yield what the failure handler's outputs lack."""
    handler_id = build.output.get("conductor.failure_workflow")
    if not handler_id:
        yield "no failure handler was started"
        return
    with Conductor.from_settings(bench.settings) as server:
        *_, ended = server.follow(handler_id, timings=bench.settings.timings)
    if ended.status is not ExecutionStatus.COMPLETED:
        yield f"the failure handler is {ended.status}"
    wanted = {"failed_task": task, "commit_sha": seen.commit.sha, "cleaned": True, "workflow_id": build.id}
    for name, value in wanted.items():
        if ended.output.get(name) != value:
            yield f"the handler's {name} is {ended.output.get(name)!r}, not {value!r}"
    if not str(ended.output.get("reason")).strip():
        yield "the handler knows no reason"


def one_rollback(bench: Bench, seen: Seen) -> Iterator[str]:
    """Yield what is wrong with the automatic rollback of an image that was flashed."""
    rollbacks = [e for e in seen.children if e.name == "deployment-rollback-handler"]
    if len(rollbacks) != 1:
        yield f"{len(rollbacks)} rollbacks instead of one"
    if bench.running != seen.good_before:
        yield "the device does not run the last good image"


CASES = (
    Case("nothing: a good commit", (Outcome.succeeded,), (Grade.IDENTIFIED,), (1,)),
    Case(
        "the commit does not compile",
        (Outcome.failed,),
        (Grade.NONE,),
        (0,),
        {MAIN: appended("\nint broken( {\n")},
        more=refused("platformio_compile", "main.c"),
    ),
    Case(
        "the image takes more than 70 % of the flash",
        (Outcome.failed,),
        (Grade.NONE,),
        (0,),
        {MAIN: ballast(1_500_000)},
        more=refused("fail_build", "flash"),
    ),
    Case(
        "the commit warns in its own sources",
        (Outcome.failed,),
        (Grade.NONE,),
        (0,),
        {MAIN: appended("\nstatic int never_used;\n")},
        more=refused("fail_build", "warnings in own sources: 1"),
    ),
    Case(
        "the image boots unhealthy",
        (Outcome.rolled_back,),
        (Grade.REBOOTED,),
        (2,),
        {HEALTH: defined("HEALTH_STATUS", '"degraded"')},
        more=one_rollback,
    ),
    Case(
        "the image is low on heap",
        (Outcome.rolled_back,),
        (Grade.REBOOTED,),
        (2,),
        {HEALTH: defined("HEALTH_MEMORY_FREE_KB", "20")},
        more=one_rollback,
    ),
)
