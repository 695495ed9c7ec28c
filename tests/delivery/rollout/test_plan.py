"""From what was observed to the plan of a rollout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k1nb.delivery.rollout import Policy, RolloutFacts, Selection, Standing, plan
from k1nb.firmware import Artifact
from tests.delivery.rollout.samples import NOON, a_progress, a_rollout, device

ARTIFACT = Artifact(
    id="f" * 64, path=Path("f.bin"), md5="m", size=70_000, project_name="k1", version="c" * 40, environment="e",
    repo="r", branch="main", stamp="k1-cccccccccccc", flash_percent=None, ram_percent=None, warnings=None,
    stored_at=NOON,
)  # fmt: skip


def facts(count: int = 5, **changes: Any) -> RolloutFacts:
    """Return what would be observed of so many devices."""
    devices = tuple(device(number) for number in range(count))
    known: dict[str, Any] = {"current": (), "silent": (), "rows": (0,) * count, "earlier": (), "under_way": None}
    return RolloutFacts(ARTIFACT, Selection(), devices, **{**known, **changes})


def test_each_wave_is_a_step() -> None:
    """The steps name wave and devices, are destructive, and the rollout bears the plan's id."""
    rollout, planned = plan(facts(), Policy(waves="1, 2"))
    assert [step.subject for step in planned.steps] == [
        "wave 1, 1 device: sim-00",
        "wave 2, 2 devices: sim-01, sim-02",
        "wave 3, 2 devices: sim-03, sim-04",
    ]
    assert planned.destructive
    assert rollout.id == planned.id
    assert [len(wave) for wave in rollout.waves] == [1, 2, 2]


def test_what_runs_it_already_is_left_out() -> None:
    """Devices that are proven to run the artifact are in no wave; where all do, there is no step."""
    every = facts()
    rollout, _ = plan(replace(every, current=every.devices[:2]), Policy(waves="1"))
    assert [d.name for d in rollout.devices] == ["sim-02", "sim-03", "sim-04"]
    assert rollout.current == every.devices[:2]
    assert plan(replace(every, current=every.devices), Policy(canary=("sim-00",)))[1].steps == ()


@pytest.mark.parametrize(
    "change",
    [
        {"rows": (0, 0, 0, 0, 7)},
        {"earlier": ("plan-aaaaaaaaaaaa",)},
        {"devices": (*facts().devices[:4], replace(device(4), role="production"))},
        {"devices": (*facts().devices[:4], replace(device(4), http_port=1))},
        {"artifact": replace(ARTIFACT, id="e" * 64)},
        {"current": facts().devices[:1]},
    ],
    ids=["ledger", "earlier", "role", "port", "artifact", "current"],
)
def test_another_world_is_another_plan(change: dict[str, Any]) -> None:
    """What a rollout rests on is in the plan's id."""
    assert plan(replace(facts(), **change), Policy())[1].id != plan(facts(), Policy())[1].id


def test_what_changes_by_itself_is_no_part_of_it() -> None:
    """Which devices answer at the moment changes no plan; every word of the policy does."""
    same = plan(replace(facts(), silent=facts().devices[:3]), Policy())[1].id
    assert same == plan(facts(), Policy())[1].id
    policies = (
        *(Policy(waves="2"), Policy(canary=("sim-04",)), Policy(success_percent=1), Policy(error_percent=1)),
        *(Policy(minimum_sample=2), Policy(soak_seconds=1), Policy(approval=True), Policy(parallel=1)),
        *(Policy(pick_up="0 0 * * * ?"), Policy(give_up_days=1)),
    )
    assert len({plan(facts(), policy)[1].id for policy in (Policy(), *policies)}) == len(policies) + 1


def test_production_devices_are_named_in_what_is_consented_to() -> None:
    """A wave with production devices says how many they are."""
    devices = (*facts().devices[:3], replace(device(3), role="production"), replace(device(4), role="production"))
    rollout, planned = plan(replace(facts(), devices=devices), Policy(waves="1, 2"))
    assert [d.role for d in rollout.devices] == ["test"] * 3 + ["production"] * 2
    assert planned.steps[-1].why.endswith("2 of them production")
    assert planned.preconditions["production devices"] == 2


def test_nothing_is_planned_beside_a_rollout_that_is_under_way() -> None:
    """While a rollout of the artifact has not ended there is no other one."""
    going = a_progress(a_rollout(1), Standing.RUNNING)
    assert plan(replace(facts(), under_way=going), Policy(canary=("sim-00",)))[1].steps == ()
