"""What the endurance runs judge by, without running for long."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tests.endurance._day import Day, _image, _quarters, _wanted
from tests.endurance._effects import Journal
from tests.endurance._page import Section, write


def test_an_effect_is_had_once(tmp_path: Path) -> None:
    """Of many that want the same effect at once one has it; each try is counted."""
    journal = Journal(tmp_path / "effects.sqlite")
    had: list[bool] = []

    def have() -> None:
        journal.enter("e:s0")
        had.append(journal.once("e:s0"))

    threads = [threading.Thread(target=have) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(had) == [False, False, False, True]
    assert (journal.effects(), journal.twice(), journal.again()) == (1, 0, 3)


def test_a_second_effect_would_be_seen(tmp_path: Path) -> None:
    """An effect that happened twice is counted, for nothing in the journal forbids it."""
    file = tmp_path / "effects.sqlite"
    journal = Journal(file)
    for key in ("a", "b"):
        assert journal.once(key)
    with sqlite3.connect(file) as database:
        database.execute("INSERT INTO effects VALUES ('a', 0)")
    database.close()
    assert (journal.effects(), journal.twice()) == (3, 1)


def test_a_section_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    """A run writes its own section anew and leaves the other's, in the order of the page."""
    page = tmp_path / "endurance.md"
    write(page, Section("A day", "endurance.svg", (("lost", "0"),), ()))
    write(page, Section("Kills", "", (("completed", "7"),), ("3 executions did not complete",)))
    write(page, Section("Kills", "", (("completed", "10"),), ()))
    text = page.read_text(encoding="utf-8")
    assert text.index("## Kills") < text.index("## A day")
    assert text.count("## Kills") == 1
    assert "| completed | 10 |" in text
    assert "| lost | 0 |" in text
    assert "did not complete" not in text
    assert text.count("**As it must.**") == 2


def test_what_is_wrong_stands_on_the_page(tmp_path: Path) -> None:
    """A run that is not as it must be says so above its figures."""
    write(tmp_path / "page.md", Section("Kills", "", (), ("2 effects happened twice",)))
    assert "**Wrong: 2 effects happened twice.**" in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_the_flashes_of_a_day_are_known() -> None:
    """Each device changes its image every fifth time; only the first one runs an image when the day begins."""
    day = Day(executions=1000, devices=50, scale=1, length=1)
    assert _wanted(day) == 4 * 50
    assert [_image(day, number * day.devices) for number in range(12)] == [0] * 5 + [1] * 5 + [0] * 2
    assert _wanted(Day(executions=10, devices=10, scale=1, length=1)) == 10


@pytest.mark.parametrize(
    ("values", "expected"),
    [([9, 1, 1, 1], (1, 1)), ([1, 2, 3, 4], (2, 4)), ([], (0, 0)), ([5], (5, 5)), ([0, 0, 2, 4, 9, 9, 6, 8], (3, 7))],
)
def test_quarters_leave_the_warming_up_out(values: list[float], expected: tuple[float, float]) -> None:
    """The second quarter's median is held against the last one's."""
    assert _quarters(list(enumerate(values))) == expected
