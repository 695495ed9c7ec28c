"""Faults of the device itself: its transfers, its boots, its two services."""

from __future__ import annotations

from collections.abc import Collection, Iterator

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


def by_itself(bench: Bench, seen: Seen) -> Iterator[str]:
    """Yield what is wrong where one attempt is to find out what the device took without a word."""
    if [task.status for task in seen.attempts("deploy_firmware_ota")] != [TaskStatus.COMPLETED]:
        yield f"the attempts are {', '.join(task.status for task in seen.attempts('deploy_firmware_ota'))}"
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


def old_image(bench: Bench, seen: Seen) -> Iterator[str]:
    """Yield what is wrong where the device was to keep its old image, and no rollback was to flash it."""
    if bench.running != seen.good_before:
        yield f"the device runs {bench.running}"
    if seen.attempts("rollback_firmware"):
        yield "a rollback flashed"


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

_FAILED, _USB = (Outcome.failed,), (Outcome.needs_usb,)
_NONE, _ACCEPTED = (Grade.NONE,), (Grade.ACCEPTED,)
_ONCE, _NEVER = (1,), (0,)


def _case(
    fault: str,
    outcomes: Collection[Outcome],
    grades: Collection[Grade],
    flashes: Collection[int],
    *device: str,
    more: More,
    password: str = "",
) -> Case:
    return Case(fault, outcomes, grades, flashes, device=device, more=more, password=password, again=True)


CASES = (
    *(
        _case(f"cut at {at} % of the image, once", _GOOD, _IDENTIFIED, _ONCE, f"cut={at}x1", more=again)
        for at in (0, 1, 50, 99, 100)
    ),
    _case("answers no more from 50 % on, once", _GOOD, _IDENTIFIED, _ONCE, "stall=50x1", more=again),
    _case("takes one byte a second, once", _GOOD, _IDENTIFIED, _ONCE, "crawl=1x1", more=again),
    _case("says MD5 Check Failed, once", _GOOD, _IDENTIFIED, _ONCE, "bad-md5x1", more=again),
    _case("says MD5 Check Failed, always", _BACK, (Grade.SENT, Grade.NONE), _NEVER, "bad-md5", more=old_image),
    _case("asks for a password that nobody gave", _BACK, _NONE, _NEVER, more=old_image, password="not-told-to-us-1"),
    _case("boots the image, its OK is lost", _GOOD, _IDENTIFIED, _ONCE, "lost-okx1", more=by_itself),
    _case("every answer half a second late", _GOOD, _IDENTIFIED, _ONCE, "slow=0.5", more=runs_it),
    _case("boots the old image", _BACK, _REBOOTED, _ONCE, "boots-oldx1", more=never_healthy),
    _case("restarts again and again", _BACK, _REBOOTED, (2,), "boot-loopx1", more=one_rollback),
    _case("never returns", _USB, _ACCEPTED, _ONCE, "never-returns", more=unreachable),
    _case("returns under another address", _USB, _ACCEPTED, _ONCE, "moves", more=unreachable),
    _case("another device answers under its name afterwards", _FAILED, _ACCEPTED, _ONCE, "swapped", more=unreachable),
    _case("HTTP answers, OTA does not", _USB, _NONE, _NEVER, "ota-dead", more=untouched("OTA service does not answer")),
    _case("OTA answers, HTTP does not", _FAILED, _NONE, _NEVER, "http-dead", more=untouched("does not answer")),
    _case("refuses every request (429)", _FAILED, _NONE, _NEVER, "refuses", more=untouched("429")),
)
