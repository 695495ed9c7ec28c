"""Pause, resume and abort: they act between deployments, for one that is under way is never cut."""

from __future__ import annotations

from dataclasses import asdict

from k1nb.conductor import Conductor
from k1nb.config import Settings
from k1nb.delivery._consent import revoke, who
from k1nb.delivery.rollout._facts import select
from k1nb.delivery.rollout._known import State
from k1nb.delivery.rollout._progress import Progress, Standing, read, rollouts
from k1nb.delivery.rollout._rollout import WORKFLOW, Rollout
from k1nb.device import Device
from k1nb.errors import ConsentError, UnknownName, UsageError
from k1nb.firmware import ArtifactStore


def find(conductor: Conductor, rollout_id: str = "") -> Progress:
    """Return how a rollout stands; without an id the only open one, else the newest. Raises UnknownName, UsageError."""
    if rollout_id:
        return read(conductor, rollout_id)
    known = rollouts(conductor)
    going = [one for one, is_open in known.items() if is_open]
    if len(going) > 1:
        raise UsageError(f"{len(going)} rollouts are open: {', '.join(going)}", hint="name one of them")
    if not known:
        raise UnknownName("Conductor knows no rollout", hint="plan one: k1nb rollout plan ARTIFACT")
    return read(conductor, going[0] if going else next(iter(known)))


def pause(conductor: Conductor, progress: Progress) -> Progress:
    """Let a rollout begin nothing more until it is resumed; raises UsageError where there is nothing to pause."""
    rollout = progress.rollout
    if progress.standing in (Standing.RUNNING, Standing.APPROVAL):
        conductor.pause(progress.execution.id)
    elif progress.standing is Standing.PENDING and progress.picked_up:
        conductor.pause_schedule(rollout.schedule, "k1nb rollout pause")
    elif progress.standing is not Standing.PAUSED:
        raise _ended(progress, "paused")
    return read(conductor, rollout.id)


def resume(settings: Settings, conductor: Conductor, progress: Progress) -> Progress:
    """Let a rollout go on: one that is paused, that waits for approval, that broke, or whose devices are pending.

    Raises ConsentError where its artifact or the inventory are not what was consented to any more, ArtifactError
    where the image is damaged or gone, UsageError where a decision has ended it.
    """
    rollout = progress.rollout
    if progress.standing in (Standing.COMPLETED, Standing.STOPPED, Standing.ABORTED):
        raise _ended(progress, "resumed")
    require_unchanged(settings, rollout)
    if progress.standing is Standing.PAUSED:
        conductor.resume(progress.execution.id)
    elif progress.asked is not None:
        answer = {"approved": True, "by": who(), "why": "k1nb rollout resume"}
        conductor.answer(progress.execution.id, progress.asked.reference, answer)
    elif progress.standing is Standing.PENDING and _schedule_paused(conductor, rollout):
        conductor.resume_schedule(rollout.schedule)
    elif progress.standing is not Standing.RUNNING and not conductor.running(WORKFLOW, rollout.key):
        conductor.start(WORKFLOW, rollout.as_input(), correlation_id=rollout.key)
    return read(conductor, rollout.id)


def abort(settings: Settings, conductor: Conductor, progress: Progress, reason: str = "") -> Progress:
    """End a rollout for good, its later tries and its consent too; deployments that are under way go on to their ends.

    Raises UsageError where it has ended already.
    """
    rollout = progress.rollout
    if progress.standing.ended and not _scheduled(conductor, rollout):
        raise _ended(progress, "aborted")
    revoke(settings.paths, rollout.id)
    conductor.remove_schedule(rollout.schedule)
    if not progress.standing.ended:
        conductor.terminate(progress.execution.id, f"aborted{f': {reason}' if reason else ''}")
    while begun := conductor.running(WORKFLOW, rollout.key):  # the schedule had just started another one
        conductor.terminate(begun, "aborted")
    conductor.remove_schedule(rollout.schedule)  # an execution that was ending may have put it back
    return read(conductor, rollout.id)


def require_unchanged(settings: Settings, rollout: Rollout) -> None:
    """Raise ConsentError or ArtifactError unless artifact and inventory are still those of the rollout's plan."""
    ArtifactStore(settings.paths).get(rollout.artifact_id)
    planned = {device.mac: device for device in (*rollout.devices, *rollout.current)}
    try:
        now = {device.mac: device for device in select(settings, rollout.selection)}
    except UsageError as error:
        raise ConsentError(f"the inventory has changed since {rollout.id}: {error.message}", hint=_AGAIN) from None
    changes = [_change(planned.get(mac), now.get(mac)) for mac in planned | now if planned.get(mac) != now.get(mac)]
    if changes:
        raise ConsentError(f"the inventory has changed since {rollout.id}: {'; '.join(changes)}", hint=_AGAIN)


_AGAIN = "put the inventory back as it was, or abort this rollout and plan another: k1nb rollout abort"


def _change(planned: Device | None, now: Device | None) -> str:
    if now is None:
        return f"{planned.name} is gone" if planned else ""
    if planned is None:
        return f"{now.name} is new"
    before, after = asdict(planned), asdict(now)
    return f"{planned.name} has another {', '.join(key for key in before if before[key] != after[key])}"


def _scheduled(conductor: Conductor, rollout: Rollout) -> bool:
    return any(schedule.name == rollout.schedule for schedule in conductor.schedules(WORKFLOW))


def _schedule_paused(conductor: Conductor, rollout: Rollout) -> bool:
    return any(schedule.name == rollout.schedule and schedule.paused for schedule in conductor.schedules(WORKFLOW))


def _ended(progress: Progress, what: str) -> UsageError:
    return UsageError(
        f"rollout {progress.rollout.id} cannot be {what}: it is {progress.standing}, {progress.reason}",
        hint=f"plan another: k1nb rollout plan {progress.rollout.artifact_id[:12]}",
    )


def under_way(progress: Progress) -> list[str]:
    """Return the names of the devices that are being deployed to."""
    return [d.name for d in progress.rollout.devices if progress.known.devices[d.mac].state is State.RUNNING]
