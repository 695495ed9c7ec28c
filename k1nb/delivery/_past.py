"""What a device runs and what it goes back to, from ledger, store and readings: pure, so that it fits a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from k1nb.delivery._health import rebooted
from k1nb.device import Readings
from k1nb.firmware import Artifact, Deployment, Grade

ROLLBACK = "rollback"
"""The reason by which the ledger tells a rollback from a deployment."""


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of one device."""

    rows: Sequence[Deployment]
    """Its deployments, newest first."""
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    """Those of its deployments that are still stored, by id."""
    seen: Readings | None = None
    """What the device says now; None where it does not answer."""

    @property
    def accepted(self) -> list[Deployment]:
        """The deployments that the device accepted, the last accepted first."""
        found = [(row.accepted_at, row.id, row) for row in self.rows if row.accepted_at is not None]
        return [row for _, _, row in sorted(found, key=lambda item: item[:2], reverse=True)]

    @property
    def current(self) -> Deployment | None:
        """What the device accepted last."""
        return next(iter(self.accepted), None)

    @property
    def refused(self) -> Deployment | None:
        """The last deployment, where the device has not accepted it."""
        return self.rows[0] if self.rows and self.rows[0].accepted_at is None else None


@dataclass(frozen=True, slots=True)
class Running:
    """What a device runs, and how that is known."""

    artifact_id: str | None
    """None where it is not known."""
    how: str
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """The artifact that a device goes back to; `settled` where it has gone back already."""

    artifact_id: str
    why: str
    settled: bool = False


def is_rollback(row: Deployment) -> bool:
    """Tell whether a row is of a rollback, not of a deployment."""
    return row.reason == ROLLBACK


def running(past: Past) -> Running:
    """Say what the device runs: by the stamp it shows, else by what it accepted last."""
    shown = past.seen.stamp if past.seen else None
    if shown is not None:
        return _by_stamp(past, shown)
    current, refused = past.current, past.refused
    if current is None:
        return Running(None, "the ledger knows of nothing that it accepted")
    if refused and refused.id > current.id and (past.seen is None or rebooted(past.seen, refused.started_at)):
        return Running(None, f"it may have restarted into {refused.artifact_id[:12]}, whose transfer broke")
    artifact = past.artifacts.get(current.artifact_id)
    if past.seen is not None and artifact is not None and artifact.stamp is not None:
        return Running(None, f"it does not show the stamp {artifact.stamp} of what it accepted last")
    proven = past.seen is not None and current.grade >= Grade.HEALTHY
    return Running(current.artifact_id, f"it accepted it last, grade {current.grade.name}", proven)


def _by_stamp(past: Past, shown: str) -> Running:
    # Two artifacts of one commit share a stamp: the one accepted last is meant.
    known = [row.artifact_id for row in (*past.accepted, *past.rows)] + list(past.artifacts)
    for artifact_id in known:
        artifact = past.artifacts.get(artifact_id)
        if artifact is not None and artifact.stamp == shown:
            return Running(artifact_id, f"it shows the stamp {shown}", proven=True)
    return Running(None, f"it shows the stamp {shown}, which nothing in its ledger carries")


def goal(past: Past) -> Goal | None:
    """Choose what to go back to, None where nothing was ever proven healthy.

    That is the newest artifact proven healthy other than the one that runs. A device that has gone back already,
    or that the last deployment never reached, stays where it is: nothing walks back further by itself.
    """
    runs, current = running(past), past.current
    newest = past.rows[0] if past.rows else None
    if newest is not None and is_rollback(newest) and newest.outcome is None:
        return Goal(newest.artifact_id, "a rollback to it was begun and has not concluded")
    if current is not None and current.grade >= Grade.HEALTHY and current.artifact_id == runs.artifact_id:
        if is_rollback(current):
            return Goal(current.artifact_id, "a rollback has put it there already", settled=True)
        if past.refused is not None and past.refused.id > current.id and not is_rollback(past.refused):
            return Goal(current.artifact_id, "the last deployment never reached the device", settled=True)
    bad = runs.artifact_id
    if bad is None and newest is not None and newest.grade < Grade.HEALTHY:
        bad = newest.artifact_id
    good = last_healthy(past, other_than=bad)
    why = "the newest proven healthy on this device, other than what it runs"
    return Goal(good.artifact_id, why) if good else None


def last_healthy(past: Past, *, other_than: str | None) -> Deployment | None:
    """Return what the device was healthy with last; `other_than` excludes an artifact."""
    good = (row for row in past.accepted if row.grade >= Grade.HEALTHY and row.artifact_id != other_than)
    return next(good, None)


def failed_by(past: Past, executions: Collection[str]) -> Deployment | None:
    """Return the newest deployment, no rollback, that one of these executions made."""
    return next((row for row in past.rows if row.execution_id in executions and not is_rollback(row)), None)


def _replaced(past: Past, artifact: Artifact, failed: Deployment) -> bool:
    """Tell whether somebody has put something else onto the device since, which is none of this rollback's business."""
    current = past.current
    if current is None or failed.accepted_at is None or current.accepted_at is None:
        return False
    return current.accepted_at > failed.accepted_at and current.artifact_id not in (failed.artifact_id, artifact.id)


def needs_flash(artifact: Artifact, failed: Deployment | None, past: Past) -> tuple[bool, str]:
    """Tell whether going to `artifact` needs an OTA: not where the device provably runs it, or never left it."""
    if past.seen is None:
        return True, "the device does not answer"
    runs = running(past)
    if runs.artifact_id == artifact.id and runs.proven:
        return False, f"the device runs it already: {runs.how}"
    if failed is not None and _replaced(past, artifact, failed):
        return False, f"the device has accepted {past.current.artifact_id[:12] if past.current else ''} since"
    untouched = failed is not None and failed.grade < Grade.ACCEPTED and not rebooted(past.seen, failed.started_at)
    if untouched and (past.current is None or past.current.artifact_id == artifact.id):
        return False, "the failed image was never accepted and the device has not rebooted since"
    return True, "the device may run the failed image" if failed else f"the device does not run it: {runs.how}"
