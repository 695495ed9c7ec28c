"""What a rollout is, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from k1nb.delivery.rollout import Policy, Rollout, Selection
from k1nb.delivery.rollout._rollout import digest
from k1nb.errors import ConductorRefused, UsageError
from tests.delivery.rollout.samples import a_rollout, device


@pytest.mark.parametrize(
    "wrong",
    [
        {"error_percent": -1},
        {"success_percent": 101},
        {"success_percent": float("nan")},
        {"minimum_sample": 0},
        {"parallel": 0},
        {"soak_seconds": -1},
        {"soak_seconds": float("inf")},
        {"give_up_days": 4000},
        {"pick_up": "* * * * *"},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    """The key and its value are named."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Policy(**wrong)


def test_a_role_that_no_device_has_is_refused() -> None:
    """Roles are test and production; nothing means both."""
    assert Selection(role="").role == ""
    with pytest.raises(UsageError, match="role 'prod'"):
        Selection(role="prod")


def test_a_rollout_survives_the_server() -> None:
    """What an execution is started with gives the same rollout back; production is allowed only where it is in it."""
    rollout = a_rollout(1, 2, canary=("sim-00",), approval=True)
    given = rollout.as_input()
    assert Rollout.from_input(given) == rollout
    assert (given["consent"], given["allow_production"]) == (rollout.id, False)
    assert rollout.key == f"rollout:{rollout.id}"
    with pytest.raises(ConductorRefused, match="no plan"):
        Rollout.from_input({"rollout": rollout.id})


def test_another_entry_has_another_digest() -> None:
    """The digest of an inventory is that of its entries, in whichever order, and changes with any of them."""
    one, two = device(1), device(2)
    assert digest([one, two]) == digest([two, one])
    assert len({digest([one, two]), digest([one]), digest([one, device(2, role="production")])}) == 3
