"""Definitions and task functions agree."""

from __future__ import annotations

import pytest

from k1nb.conductor import Definitions, load
from k1nb.workers import all_tasks, lint


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
