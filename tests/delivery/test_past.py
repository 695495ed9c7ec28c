"""What runs, and where a device goes back to, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.delivery import ROLLBACK, Past, failed_by, goal, needs_flash, running
from k1nb.firmware import Artifact, Deployment, Grade, Outcome
from tests.delivery.test_preflight import ARTIFACT, MAC, NOW, READINGS

NAMES = "abc"
STAMPS = {name: f"k1-{name * 12}" for name in NAMES}
STAMPED = {name: replace(ARTIFACT, id=name, stamp=STAMPS[name]) for name in NAMES}
PLAIN = {name: replace(ARTIFACT, id=name, stamp=None) for name in NAMES}


def row(
    number: int, artifact: str, grade: Grade, reason: str = "test", outcome: Outcome | None = Outcome.succeeded
) -> Deployment:
    """Make a ledger row; a higher number is a later one, 100 s apart."""
    moment = NOW - timedelta(seconds=(10 - number) * 100)
    accepted = moment + timedelta(seconds=10) if grade >= Grade.ACCEPTED else None
    return Deployment(number, MAC, artifact, f"e{number}", reason, grade, outcome, [], moment, moment, accepted)


GOOD_A = row(1, "a", Grade.IDENTIFIED)
GOOD_B = row(2, "b", Grade.IDENTIFIED)
BAD_C = row(3, "c", Grade.REBOOTED, outcome=Outcome.rolled_back)
BACK_B = row(4, "b", Grade.IDENTIFIED, ROLLBACK)
BEGUN_B = row(4, "b", Grade.NONE, ROLLBACK, None)
BROKEN_B = row(4, "b", Grade.NONE, ROLLBACK, Outcome.failed)
NEVER_C = row(3, "c", Grade.NONE, outcome=Outcome.rolled_back)


def past(*rows: Deployment, shows: str = "", artifacts: dict[str, Artifact] | None = None, up: float = 5000.0) -> Past:
    """Make a past, oldest row first; `shows` names the artifact whose stamp the device shows."""
    seen = replace(READINGS, stamp=STAMPS.get(shows), uptime_seconds=up)
    return Past(rows[::-1], artifacts or (STAMPED if shows else PLAIN), seen)


@pytest.mark.parametrize(
    ("before", "to", "settled"),
    [
        (past(GOOD_A, GOOD_B, shows="b"), "a", False),
        (past(GOOD_A, GOOD_B), "a", False),
        (past(GOOD_A, GOOD_B, BAD_C, shows="c"), "b", False),
        (past(GOOD_A, GOOD_B, BAD_C, BACK_B, shows="b"), "b", True),
        (past(GOOD_A, GOOD_B, BAD_C, BACK_B), "b", True),
        (replace(past(GOOD_A, GOOD_B, BAD_C, BACK_B), seen=None), "b", True),
        (past(GOOD_A, GOOD_B, BAD_C, BACK_B, shows="c"), "b", False),
        (past(GOOD_A, GOOD_B, NEVER_C, shows="b"), "b", True),
        (past(GOOD_A, GOOD_B, NEVER_C), "b", True),
        (past(GOOD_A, GOOD_B, NEVER_C, up=5.0), "b", False),
        (replace(past(GOOD_A, GOOD_B, NEVER_C), seen=None), "b", False),
        (past(GOOD_A, GOOD_B, BAD_C, BEGUN_B, shows="c"), "b", False),
        (past(GOOD_A, GOOD_B, BAD_C, BROKEN_B, shows="c"), "b", False),
        (past(GOOD_A, GOOD_B, replace(BROKEN_B, artifact_id="a"), shows="b"), "a", False),
        (replace(past(GOOD_A, GOOD_B, BAD_C), seen=None), "b", False),
    ],
    ids=[
        "a good one is left for the one before",
        "the same without stamps",
        "a bad one is left",
        "rolled back already",
        "rolled back already, without stamps",
        "rolled back, and silent now",
        "rolled back says the ledger, the device shows the bad one",
        "never reached",
        "never reached, without stamps",
        "a broken transfer, then a restart",
        "a broken transfer, then silence",
        "a rollback was cut off",
        "a rollback failed",
        "a rollback from a good one failed",
        "a bad one fell silent",
    ],
)
def test_a_device_goes_back_once(before: Past, to: str, settled: bool) -> None:
    """The goal is the newest good artifact other than what runs; a device that is back already stays there."""
    found = goal(before)
    assert found is not None
    assert (found.artifact_id, found.settled) == (to, settled)


@pytest.mark.parametrize("rows", [(), (GOOD_A,), (BAD_C,)])
def test_nothing_good_means_no_goal(rows: tuple[Deployment, ...]) -> None:
    """Where nothing else was ever proven healthy there is nowhere to go back to."""
    assert goal(past(*rows)) is None


def test_a_stamp_that_the_ledger_does_not_know_proves_nothing() -> None:
    """A device that was flashed by somebody else runs something unknown, and its last good artifact is the goal."""
    elsewhere = past(GOOD_A, GOOD_B, artifacts=STAMPED)
    assert elsewhere.seen is not None
    shown = replace(elsewhere, seen=replace(elsewhere.seen, stamp="k1-" + "9" * 12))
    assert running(shown).artifact_id is None
    found = goal(shown)
    assert found is not None
    assert (found.artifact_id, found.settled) == ("b", False)


def test_two_artifacts_of_one_commit_are_told_apart_by_the_ledger() -> None:
    """Where two artifacts share a stamp the one that was accepted last is what runs."""
    twins = {**STAMPED, "b": replace(STAMPED["b"], stamp=STAMPS["a"])}
    both = past(GOOD_A, GOOD_B, shows="a", artifacts=twins)
    assert running(both).artifact_id == "b"
    assert needs_flash(twins["a"], None, both)[0] is True


def test_what_failed_is_found_by_its_execution() -> None:
    """The failed deployment is the row of the named execution, never that of the rollback that followed."""
    before = past(GOOD_A, GOOD_B, BAD_C, replace(BACK_B, execution_id="child"))
    assert failed_by(before, {"e3", "child"}) == BAD_C
    assert failed_by(before, {"child"}) is None


GRADES = st.sampled_from(list(Grade))


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), GRADES, st.sampled_from(["test", ROLLBACK])), max_size=6),
    st.sampled_from(["", *NAMES]),
)
def test_a_goal_that_was_reached_is_settled(history: list[tuple[str, Grade, str]], shows: str) -> None:
    """Whatever the history, a rollback to the goal that ends well leaves nothing more to do: no step further back."""
    rows = [row(n, *entry[:2], entry[2]) for n, entry in enumerate(history, 1)]
    found = goal(past(*rows, shows=shows, artifacts=STAMPED if shows else PLAIN))
    if found is None:
        return
    back = row(9, found.artifact_id, Grade.IDENTIFIED, ROLLBACK)
    for after in (past(*rows, back, shows=found.artifact_id), past(*rows, back)):
        again = goal(after)
        assert again is not None
        assert (again.artifact_id, again.settled) == (found.artifact_id, True)
