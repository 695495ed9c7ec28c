"""Folders: facts in, checks out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k1nb.checks import Status
from k1nb.stack.doctor._places import Place, place_checks

MIB = 1024 * 1024
HOME = Place(
    "home", Path("/h/k1nb"), Path("/h/k1nb"), 900 * MIB, True, True, "K1NB_HOME", least=100 * MIB, comfortable=500 * MIB
)


@pytest.mark.parametrize(
    ("changes", "writable", "space"),
    [
        ({}, Status.OK, Status.OK),
        ({"there": Path("/h")}, Status.OK, Status.OK),
        ({"writable": False}, Status.FAIL, Status.OK),
        ({"ours": False}, Status.FAIL, Status.OK),
        ({"free": 499 * MIB}, Status.OK, Status.WARN),
        ({"free": 99 * MIB}, Status.OK, Status.FAIL),
    ],
)
def test_a_folder_is_judged_by_what_fits_and_who_may_write(
    changes: dict[str, Any], writable: Status, space: Status
) -> None:
    """A folder of another user, a read-only one and a full one fail; each answer names the setting that moves it."""
    checks = place_checks(replace(HOME, **changes))
    assert [check.status for check in checks] == [writable, space]
    assert all("K1NB_HOME" in str(check.hint) for check in checks if check.status is not Status.OK)


def test_a_folder_that_is_not_there_yet_is_said_to_be_made() -> None:
    """A missing folder is no fault where the one above it can be written to."""
    assert place_checks(replace(HOME, there=Path("/h")))[0].evidence == "it is made when it is needed"
