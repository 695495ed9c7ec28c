"""Faults of the device itself: its transfers, its boots, its two services."""

from __future__ import annotations

from collections.abc import Iterator

from k1nb.conductor import TaskStatus
from k1nb.firmware import Grade, Ledger, Outcome
from tests.faults._bench import MAC, Bench, Seen
from tests.faults._case import Case, More
from tests.faults._commits import one_rollback


def again(bench: Bench, seen: Seen) -> Iterator[str]:
    """Yield what is wrong where one attempt was to fail and the next one to succeed."""
    attempts = seen.attempts("deploy_firmware_ota")
    if [task.status for task in attempts] != [TaskStatus.FAILED, TaskStatus.COMPLETED]:
        yield f"the attempts are {', '.join(task.status for task in attempts)}"
    yield from runs_it(bench, seen)


def at_last(bench: Bench, seen: Seen) -> Iterator[str]:
    """Yield what is wrong where attempts fail until the device is back from a restart that nobody was told of."""
    *failed, last = [task.status for task in seen.attempts("deploy_firmware_ota")]
    if not failed or set(failed) != {TaskStatus.FAILED} or last is not TaskStatus.COMPLETED:
        yield f"the attempts are {', '.join((*failed, last))}"
    yield from runs_it(bench, seen)


def runs_it(bench: Bench, seen: Seen) -> Iterator[str]:
    """Yield what is wrong where the device is to run what was delivered."""
    if bench.running != seen.delivered.artifact_id:
        yield f"the device runs {bench.running}"


def untouched(why: str) -> More:
    """Return a look at a device that must run the old image, where nothing may have been sent for this reason."""

    def more(bench: Bench, seen: Seen) -> Iterator[str]:
        if seen.attempts("deploy_firmware_ota"):
            yield "an image was sent"
        said = " ".join([*seen.delivered.evidence, *(e.reason for e in (seen.execution, *seen.children))])
        if why not in said:
            yield f"nobody says {why!r}"
        running = bench.running
        if running is not None and running != seen.good_before:
            yield "the device does not run the old image"

    return more


def never_healthy(bench: Bench, seen: Seen) -> Iterator[str]:
    """Yield what is wrong where the device went on with its old image."""
    rows = Ledger(bench.settings.paths).history(MAC)
    best = max((row.grade for row in rows if row.artifact_id == seen.delivered.artifact_id), default=Grade.NONE)
    if best >= Grade.HEALTHY:
        yield f"the ledger calls the new image {best.name}"
    yield from one_rollback(bench, seen)


def unreachable(_bench: Bench, seen: Seen) -> Iterator[str]:
    """Yield what is wrong where the device has gone for good."""
    if len([e for e in seen.children if e.name == "deployment-rollback-handler"]) != 1:
        yield "one rollback was to be tried"


_GOOD, _IDENTIFIED = (Outcome.succeeded,), (Grade.IDENTIFIED,)
_BACK, _REBOOTED = (Outcome.rolled_back,), (Grade.REBOOTED,)

CASES = (
    *(
        Case(f"cut at {at} % of the image, once", _GOOD, _IDENTIFIED, (1,), device=(f"cut={at}x1",), more=again)
        for at in (1, 50, 99)
    ),
    Case("answers no more from 50 % on, once", _GOOD, _IDENTIFIED, (1,), device=("stall=50x1",), more=again),
    Case("says MD5 Check Failed, once", _GOOD, _IDENTIFIED, (1,), device=("bad-md5x1",), more=again),
    Case("boots the image, its OK is lost", _GOOD, _IDENTIFIED, (1,), device=("lost-okx1",), more=at_last),
    Case("every answer half a second late", _GOOD, _IDENTIFIED, (1,), device=("slow=0.5",), more=runs_it),
    Case("boots the old image", _BACK, _REBOOTED, (1,), device=("boots-oldx1",), more=never_healthy),
    Case("restarts again and again", _BACK, _REBOOTED, (2,), device=("boot-loopx1",), more=one_rollback),
    Case(
        "never returns",
        (Outcome.needs_usb,),
        (Grade.ACCEPTED,),
        (1,),
        device=("never-returns",),
        more=unreachable,
    ),
    Case(
        "HTTP answers, OTA does not",
        (Outcome.needs_usb,),
        (Grade.NONE,),
        (0,),
        device=("ota-dead",),
        more=untouched("OTA service does not answer"),
    ),
    Case(
        "OTA answers, HTTP does not",
        (Outcome.failed,),
        (Grade.NONE,),
        (0,),
        device=("http-dead",),
        more=untouched("does not answer"),
    ),
    Case(
        "refuses every request (429)",
        (Outcome.failed,),
        (Grade.NONE,),
        (0,),
        device=("refuses",),
        more=untouched("429"),
    ),
)
