"""Facts about the ledger."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k1nb.errors import StorageError, UnknownName
from k1nb.firmware import Grade, Ledger, Outcome
from k1nb.paths import Paths

MAC = "AA:BB:CC:DD:EE:FF"
OTHER = "AA:BB:CC:DD:EE:00"

WRITER = """
import sys
from pathlib import Path
from k1nb.firmware import Grade, Ledger
from k1nb.paths import Paths
home = Path(sys.argv[1])
ledger = Ledger(Paths(home, home, home))
shared = ledger.begin("shared", "artifact", "execution", "race")
for number in range(25):
    ledger.raise_grade(shared.id, Grade.SENT, f"{sys.argv[2]}:{number}")
    ledger.begin(sys.argv[2], f"artifact-{number}", "execution", "race")
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger in a home of its own."""
    return Ledger(Paths(tmp_path, tmp_path, tmp_path))


def test_new_row_has_proven_nothing(ledger: Ledger) -> None:
    """A deployment begins with grade NONE, no outcome and no evidence."""
    before = datetime.now(UTC)
    row = ledger.begin(MAC, "a1", "e1", "test")
    assert (row.mac, row.artifact_id, row.execution_id, row.reason) == (MAC, "a1", "e1", "test")
    assert (row.grade, row.outcome, row.evidence, row.accepted_at) == (Grade.NONE, None, [], None)
    assert before <= row.started_at <= datetime.now(UTC)


def test_begin_again_is_the_same_row(ledger: Ledger) -> None:
    """The same device, artifact and execution never make a second row, nor reset the first."""
    first = ledger.raise_grade(ledger.begin(MAC, "a1", "e1", "test").id, Grade.ACCEPTED, "OK")
    assert ledger.begin(MAC, "a1", "e1", "again") == first
    assert ledger.find(MAC, "a1", "e1") == first
    assert ledger.find(MAC, "a1", "e2") is None
    assert ledger.begin(MAC, "a1", "e2", "other execution").id != first.id


@given(st.lists(st.sampled_from(Grade), min_size=1, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
def test_grade_never_falls(ledger: Ledger, grades: list[Grade]) -> None:
    """Whatever order grades come in, the row keeps the highest, and the time of its first acceptance."""
    row = ledger.begin(MAC, "a1", f"e{ledger.verify()}", "test")
    for seen, grade in enumerate(grades):
        row = ledger.raise_grade(row.id, grade, f"saw {grade.name}")
        assert row.grade == max(grades[: seen + 1])
    assert (row.accepted_at is not None) == (row.grade >= Grade.ACCEPTED)
    later = ledger.raise_grade(row.id, Grade.IDENTIFIED, "more").accepted_at
    assert row.accepted_at in (None, later)


def test_evidence_is_kept_in_order_and_said_once(ledger: Ledger) -> None:
    """Evidence is added at the end; a task that is tried again does not repeat it."""
    row = ledger.begin(MAC, "a1", "e1", "test")
    for text in ("sent 100 B", "OK", "OK", "uptime 3 s"):
        row = ledger.raise_grade(row.id, Grade.SENT, text)
    assert row.evidence == ["sent 100 B", "OK", "uptime 3 s"]
    concluded = ledger.conclude(row.id, Outcome.failed, "not back after 90 s")
    assert concluded.outcome is Outcome.failed
    assert concluded.evidence[-1] == "not back after 90 s"
    assert ledger.conclude(row.id, Outcome.rolled_back, "a0 runs").outcome is Outcome.rolled_back


def test_current_is_what_was_accepted_last(ledger: Ledger) -> None:
    """What a device runs is what it accepted last, by the time of acceptance, not of beginning."""
    assert ledger.current(MAC) is None
    early = ledger.begin(MAC, "a1", "e1", "test")
    late = ledger.begin(MAC, "a2", "e2", "test")
    ledger.raise_grade(late.id, Grade.ACCEPTED, "OK")
    ledger.raise_grade(early.id, Grade.ACCEPTED, "OK")
    sent = ledger.begin(MAC, "a3", "e3", "test")
    ledger.raise_grade(sent.id, Grade.SENT, "cut")
    ledger.raise_grade(ledger.begin(OTHER, "a4", "e4", "test").id, Grade.ACCEPTED, "OK")
    current = ledger.current(MAC)
    assert current is not None
    assert current.artifact_id == "a1"


def test_last_good_was_healthy_on_that_device(ledger: Ledger) -> None:
    """Last good is the last healthy artifact of the device, without the one that is excluded."""
    for artifact, grade in (("a1", Grade.HEALTHY), ("a2", Grade.IDENTIFIED), ("a3", Grade.REBOOTED)):
        ledger.raise_grade(ledger.begin(MAC, artifact, artifact, "test").id, grade, "seen")
    good, other = ledger.last_good(MAC), ledger.last_good(MAC, other_than="a2")
    assert good is not None
    assert other is not None
    assert (good.artifact_id, other.artifact_id) == ("a2", "a1")
    assert ledger.last_good(OTHER) is None


def test_history_is_newest_first(ledger: Ledger) -> None:
    """History lists the newest rows first, of one device or of all, up to a limit."""
    for number in range(5):
        ledger.begin(MAC if number % 2 else OTHER, f"a{number}", "e", "test")
    assert [row.artifact_id for row in ledger.history()] == ["a4", "a3", "a2", "a1", "a0"]
    assert [row.artifact_id for row in ledger.history(MAC)] == ["a3", "a1"]
    assert [row.artifact_id for row in ledger.history(limit=1)] == ["a4"]
    assert ledger.newest(MAC) == ledger.history(MAC)[0]
    assert ledger.newest("02:4B:31:00:00:FF") is None


def test_row_is_json_able(ledger: Ledger) -> None:
    """A row as data names grade and outcome by their words and times in ISO 8601."""
    row = ledger.conclude(ledger.begin(MAC, "a1", "e1", "test").id, Outcome.no_op, "already so")
    data = row.as_dict()
    assert (data["grade"], data["outcome"], data["evidence"]) == ("NONE", "no_op", ["already so"])
    assert datetime.fromisoformat(data["started_at"]) == row.started_at
    assert replace(row, outcome=None).as_dict()["outcome"] is None


def test_unknown_row_is_refused(ledger: Ledger) -> None:
    """A grade for a row that is not there raises UnknownName and writes nothing."""
    with pytest.raises(UnknownName, match="no deployment 7"):
        ledger.raise_grade(7, Grade.SENT, "lost")
    assert ledger.history() == []


def test_concurrent_writers_lose_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """Four processes that create and write the ledger at once lose neither rows nor evidence."""
    names = ["w1", "w2", "w3", "w4"]
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name]) for name in names]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0, 0]
    assert all(len(ledger.history(name, 100)) == 25 for name in names)
    shared = ledger.find("shared", "artifact", "execution")
    assert shared is not None
    assert sorted(shared.evidence) == sorted(f"{name}:{number}" for name in names for number in range(25))
    assert ledger.verify() == 101


def test_damaged_file_is_said(ledger: Ledger) -> None:
    """A file that is no database raises StorageError that names it."""
    ledger.path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageError, match=r"ledger\.sqlite"):
        ledger.verify()


def test_file_is_private(ledger: Ledger) -> None:
    """The ledger can be read by its owner alone."""
    ledger.begin(MAC, "a1", "e1", "test")
    assert ledger.path.stat().st_mode & 0o777 == 0o600
