"""Definitions and task functions agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k1nb.conductor import Definitions, load
from k1nb.paths import share
from k1nb.workers import all_tasks, lint, lint_folder


def test_the_shipped_definitions_agree_with_their_workers() -> None:
    """Every shipped task definition is served by a function with the same inputs and outputs."""
    assert lint(load()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputKeys": ["nonce", "other"]}, "other, which its worker does not read"),
        ({"inputKeys": []}, "needs nonce"),
        ({"outputKeys": ["nonce"]}, "worker is in its worker's output alone"),
        ({"outputKeys": ["nonce", "worker", "more"]}, "more is in outputKeys alone"),
    ],
)
def test_a_key_that_differs_is_found(change: dict[str, list[str]], said: str) -> None:
    """A key that only one side knows is a finding that names it."""
    functions = [function for function in all_tasks() if function.name == "ready_probe"]
    definition = {**load().tasks["ready_probe"], **change}
    findings = lint(Definitions({"ready_probe": definition}), functions)
    assert [said in finding.text for finding in findings] == [True]


def test_a_task_without_a_worker_and_a_worker_without_a_task_are_found() -> None:
    """Neither a definition nor a function may stand alone."""
    functions = [function for function in all_tasks() if function.name == "ready_probe"]
    texts = [f.text for f in lint(Definitions({"lonely": {"name": "lonely"}}), functions)]
    assert len(texts) == 2


def test_a_lease_shorter_than_two_heartbeats_is_found() -> None:
    """A task that runs on while one heartbeat is late must not count as lost."""
    definition = load().tasks["ready_probe"]
    for lease, codes in ((30, []), (29, ["K1-HEARTBEAT"]), ("30", []), (None, [])):
        changed = Definitions({"ready_probe": {**definition, "responseTimeoutSeconds": lease}})
        functions = [function for function in all_tasks() if function.name == "ready_probe"]
        assert [finding.code for finding in lint(changed, functions)] == codes


@pytest.mark.parametrize("keys", [5, "nonce", [["nonce"]], None])
def test_keys_that_are_no_list_of_names_name_nothing(keys: object) -> None:
    """What lint of the definitions refuses is nothing to stumble over here."""
    functions = [function for function in all_tasks() if function.name == "ready_probe"]
    definition = {**load().tasks["ready_probe"], "inputKeys": keys}
    assert ["needs nonce" in finding.text for finding in lint(Definitions({"ready_probe": definition}), functions)] == [
        True
    ]


def test_the_shipped_folder_is_held_against_every_worker(tmp_path: Path) -> None:
    """Named or not, the shipped definitions must serve all; those of another folder need not, and may lean on them."""
    assert lint_folder(share("data")) == lint_folder() == (load(), [])
    workflow = load().workflows["firmware-ci-cd-pipeline", 1]
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "mine.json").write_text(json.dumps({**workflow, "name": "mine"}))
    definitions, findings = lint_folder(tmp_path)
    assert (set(definitions.workflows), findings) == ({("mine", 1)}, [])
