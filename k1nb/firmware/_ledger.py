"""The ledger: which artifact went onto which device when, and how far that is proven.

One SQLite file in WAL mode. Each call opens it, does one transaction and closes it, so any number of
processes may use it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from k1nb.errors import StorageError, UnknownName
from k1nb.paths import Paths, private
from k1nb.timings import Timings

_SCHEMA = """
CREATE TABLE deployment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mac TEXT NOT NULL,
    artifact_id TEXT NOT NULL,
    execution_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    grade INTEGER NOT NULL,
    outcome TEXT,
    evidence TEXT NOT NULL,
    started_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    accepted_at TEXT,
    UNIQUE (mac, artifact_id, execution_id)
);
CREATE INDEX deployment_device ON deployment (mac, accepted_at);
PRAGMA user_version = 1;
"""


class Grade(IntEnum):
    """The highest thing proven of a deployment."""

    NONE = 0
    SENT = 1
    ACCEPTED = 2
    REBOOTED = 3
    HEALTHY = 4
    IDENTIFIED = 5


class Outcome(StrEnum):
    """How a deployment ended."""

    succeeded = "succeeded"
    failed = "failed"
    rolled_back = "rolled_back"
    no_op = "no_op"
    needs_usb = "needs_usb"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One row: an artifact on its way onto a device, for one execution."""

    id: int
    mac: str
    artifact_id: str
    execution_id: str
    reason: str
    grade: Grade
    outcome: Outcome | None
    evidence: list[str]
    started_at: datetime
    updated_at: datetime
    accepted_at: datetime | None
    """When the device accepted the image; None before that."""

    def as_dict(self) -> dict[str, Any]:
        """Return the deployment as JSON-able data; the grade by its name."""
        return {
            "id": self.id,
            "mac": self.mac,
            "artifact_id": self.artifact_id,
            "execution_id": self.execution_id,
            "reason": self.reason,
            "grade": self.grade.name,
            "outcome": self.outcome and self.outcome.value,
            "evidence": self.evidence,
            "started_at": self.started_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "accepted_at": self.accepted_at and self.accepted_at.isoformat(),
        }


class Ledger:
    """The only source of what a device runs and of its last good artifact.

    Every method raises StorageError where the file cannot be read or written.
    """

    def __init__(self, paths: Paths, timings: Timings | None = None) -> None:
        self.path = paths.ledger
        self._patience = (timings or Timings()).database_lock

    def begin(self, mac: str, artifact_id: str, execution_id: str, reason: str) -> Deployment:
        """Enter a deployment; the same device, artifact and execution give the row that is there."""
        with self._transaction("IMMEDIATE") as connection:
            connection.execute(
                "INSERT INTO deployment"
                " (mac, artifact_id, execution_id, reason, grade, evidence, started_at, updated_at)"
                " VALUES (:mac, :artifact, :execution, :reason, 0, '[]', :now, :now)"
                " ON CONFLICT DO NOTHING",
                {
                    "mac": mac,
                    "artifact": artifact_id,
                    "execution": execution_id,
                    "reason": reason,
                    "now": _now(),
                },
            )
            return _found(connection, mac, artifact_id, execution_id)[0]

    def raise_grade(
        self, deployment_id: int, grade: Grade, evidence: str, *, accepted_at: datetime | None = None
    ) -> Deployment:
        """Add evidence, and raise the grade if it is higher; a grade is never lowered.

        `accepted_at` is when the device accepted the image, now unless given; the first one stays.
        """
        with self._transaction("IMMEDIATE") as connection:
            row = _row(connection, deployment_id)
            accepted = row.accepted_at.isoformat() if row.accepted_at else None
            if grade >= Grade.ACCEPTED:
                accepted = accepted or (accepted_at.isoformat() if accepted_at else _now())
            connection.execute(
                "UPDATE deployment SET grade = max(grade, ?), accepted_at = ?, evidence = ?, updated_at = ?"
                " WHERE id = ?",
                (int(grade), accepted, _with(row.evidence, evidence), _now(), deployment_id),
            )
            return _row(connection, deployment_id)

    def conclude(self, deployment_id: int, outcome: Outcome, evidence: str) -> Deployment:
        """Set the outcome and add its evidence; a later conclusion replaces an earlier one."""
        with self._transaction("IMMEDIATE") as connection:
            row = _row(connection, deployment_id)
            connection.execute(
                "UPDATE deployment SET outcome = ?, evidence = ?, updated_at = ? WHERE id = ?",
                (outcome.value, _with(row.evidence, evidence), _now(), deployment_id),
            )
            return _row(connection, deployment_id)

    def find(self, mac: str, artifact_id: str, execution_id: str) -> Deployment | None:
        """Return the deployment of one artifact onto one device by one execution."""
        with self._transaction() as connection:
            return next(iter(_found(connection, mac, artifact_id, execution_id)), None)

    def current(self, mac: str) -> Deployment | None:
        """Return what the device runs as far as is known: what it accepted last."""
        return next(iter(self._accepted(mac, Grade.ACCEPTED)), None)

    def newest(self, mac: str) -> Deployment | None:
        """Return the last row of a device, whether it accepted anything or not."""
        return next(iter(self.history(mac, 1)), None)

    def last_good(self, mac: str, *, other_than: str | None = None) -> Deployment | None:
        """Return what the device accepted last and was healthy with; `other_than` excludes an artifact."""
        healthy = self._accepted(mac, Grade.HEALTHY)
        return next((row for row in healthy if row.artifact_id != other_than), None)

    def macs(self) -> list[str]:
        """Return the devices that anything was ever sent to."""
        with self._transaction() as connection:
            return [str(mac) for (mac,) in connection.execute("SELECT DISTINCT mac FROM deployment ORDER BY mac")]

    def history(self, mac: str | None = None, limit: int = 50) -> list[Deployment]:
        """Return the newest deployments first, of one device or of all."""
        return self._select("(?1 IS NULL OR mac = ?1) ORDER BY id DESC LIMIT ?2", (mac, limit))

    def of_artifact(self, artifact_id: str, limit: int = 1000) -> list[Deployment]:
        """Return the newest deployments of an artifact first, of all devices."""
        return self._select("artifact_id = ? ORDER BY id DESC LIMIT ?", (artifact_id, limit))

    def verify(self) -> int:
        """Return the number of rows, after SQLite has checked the file; StorageError if it is damaged."""
        with self._transaction() as connection:
            answer = connection.execute("PRAGMA quick_check").fetchone()[0]
            if answer != "ok":
                raise sqlite3.DatabaseError(answer)
            return int(connection.execute("SELECT count(*) FROM deployment").fetchone()[0])

    def _accepted(self, mac: str, grade: Grade) -> list[Deployment]:
        condition = "mac = ? AND grade >= ? AND accepted_at IS NOT NULL ORDER BY accepted_at DESC, id DESC"
        return self._select(condition, (mac, int(grade)))

    def _select(self, condition: str, values: tuple[Any, ...]) -> list[Deployment]:
        with self._transaction() as connection:
            return _select(connection, condition, values)

    @contextmanager
    def _transaction(self, kind: str = "DEFERRED") -> Iterator[sqlite3.Connection]:
        try:
            connection = self._open()
            try:
                connection.execute(f"BEGIN {kind}")
                yield connection
                connection.execute("COMMIT")
            finally:
                connection.close()
        except (sqlite3.Error, OSError, Timeout) as error:
            raise StorageError(
                f"cannot use the ledger {self.path}: {error}",
                hint="free space or see who holds the file; if it is damaged, restore it from a backup",
            ) from error

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():
            self._create()
        connection = sqlite3.connect(self.path, timeout=self._patience, isolation_level=None)
        connection.row_factory = sqlite3.Row
        return connection

    def _create(self) -> None:
        """Make the file beside its place and move it in whole, so that nobody meets half a ledger."""
        private(self.path.parent)
        with FileLock(f"{self.path}.lock", timeout=self._patience, mode=0o600):
            if self.path.exists():
                return
            fresh = self.path.with_name(f".{self.path.name}.new")
            try:
                _lay_out(fresh)
                fresh.rename(self.path)
            finally:
                for left in fresh.parent.glob(f"{fresh.name}*"):  # with what SQLite keeps beside a file
                    left.unlink(missing_ok=True)


def _lay_out(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    connection = sqlite3.connect(file)
    try:
        connection.executescript("PRAGMA journal_mode = WAL;" + _SCHEMA)
    finally:
        connection.close()


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _with(evidence: list[str], text: str) -> str:
    """Return the evidence as JSON with `text` added; what stands last is not said twice."""
    kept = [*evidence] if evidence[-1:] == [text] else [*evidence, text]
    return json.dumps(kept, ensure_ascii=False)


def _select(connection: sqlite3.Connection, condition: str, values: tuple[Any, ...]) -> list[Deployment]:
    query = f"SELECT * FROM deployment WHERE {condition}"  # noqa: S608 - every condition is a literal above
    return [_deployment(row) for row in connection.execute(query, values)]


def _found(connection: sqlite3.Connection, *key: str) -> list[Deployment]:
    return _select(connection, "mac = ? AND artifact_id = ? AND execution_id = ?", key)


def _row(connection: sqlite3.Connection, deployment_id: int) -> Deployment:
    rows = _select(connection, "id = ?", (deployment_id,))
    if not rows:
        hint = "the ledger may have been replaced meanwhile; deploy again"
        raise UnknownName(f"the ledger has no deployment {deployment_id}", hint=hint)
    return rows[0]


def _deployment(row: sqlite3.Row) -> Deployment:
    return Deployment(
        id=row["id"],
        mac=row["mac"],
        artifact_id=row["artifact_id"],
        execution_id=row["execution_id"],
        reason=row["reason"],
        grade=Grade(row["grade"]),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        evidence=json.loads(row["evidence"]),
        started_at=datetime.fromisoformat(row["started_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        accepted_at=datetime.fromisoformat(row["accepted_at"]) if row["accepted_at"] else None,
    )
