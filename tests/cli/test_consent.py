"""What a command says of how its plan is applied."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.cli._consent import how_to_apply, refuse_empty, without_consent
from k1nb.config import Settings
from k1nb.errors import UsageError
from k1nb.plan import Plan
from tests.cli.test_app import k1nb
from tests.records.samples import heap, notebook, sealed

PLAN = Plan("a thing")


def test_the_command_that_is_printed_applies_the_plan(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan's own words are in the command, which does what it says when it is typed as it stands."""
    for name in ("slow", "quick"):
        for days in (900, 800):
            sealed(settings, heap(), name=name, days=days, executed=notebook())
    monkeypatch.setenv("K1NB_RECORDS_KEEP", "1")
    words = ("records", "prune", "--notebook", "slow")
    planned = k1nb(settings, *words)
    said = planned.stderr.strip()
    assert "Jupyter" not in said
    command = shlex.split(said.partition("apply it with: ")[2])
    assert command[:-1] == ["k1nb", *words, "--apply"]
    wrong = k1nb(settings, "records", "prune", "--apply", command[-1])
    assert (wrong.returncode, "or asked with" in wrong.stderr) == (2, True)
    assert k1nb(settings, *command[1:]).returncode == 0


@given(st.lists(st.text(max_size=8) | st.sampled_from(["--apply", "--json", "--apply=plan-1", "plan-1"]), max_size=8))
def test_no_earlier_consent_is_in_the_words(words: list[str]) -> None:
    """What is left of a command consents to nothing, and every other word stays in its place."""
    left = list(without_consent(words))
    assert not any(word.startswith("--apply=") or word in ("--apply", "--json") for word in left)
    rest = iter(words)
    assert all(word in rest for word in left)


def test_another_command_may_apply_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of one command are those of the other, quoted for a shell where they have to be."""
    monkeypatch.setattr("sys.argv", ["k1nb", "rollout", "plan", "8e6e", "--waves", "1, 10%", "--json"])
    told = f"apply it with: k1nb rollout apply 8e6e --waves '1, 10%' --apply {PLAN.id}"
    assert how_to_apply(PLAN, command="rollout apply") == told


def test_consent_stands_before_words_that_are_no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes behind `--` is no option, so that a plan's id stands before it."""
    monkeypatch.setattr("sys.argv", ["k1nb", "rollback", "--", "-dev"])
    assert how_to_apply(PLAN) == f"apply it with: k1nb rollback --apply {PLAN.id} -- -dev"


def test_only_a_plan_that_a_notebook_applies_speaks_of_it() -> None:
    """What a plan says of itself names Jupyter only where a notebook takes its id."""
    assert "Jupyter" not in PLAN.how_to_apply
    assert f'apply = "{PLAN.id}"' in Plan("a thing", in_notebook=True).how_to_apply


@pytest.mark.parametrize(
    ("words", "empty"),
    [
        (("deploy", "demo", "0123abc", "--apply", ""), True),
        (("--apply", " ", "deploy"), True),
        (("records", "prune", "--apply="), True),
        (("records", "prune", "--apply=plan-1"), False),
        (("records", "prune", "--apply", "plan-1"), False),
        (("run", "notebook", "-p", "apply="), False),
        (("rollback", "--", "--apply", ""), False),
        (("records", "prune", "--apply"), False),
    ],
)
def test_an_empty_consent_is_refused(words: tuple[str, ...], *, empty: bool) -> None:
    """An unset variable of a shell gives `--apply` nothing, which asks for no plan."""
    if not empty:
        refuse_empty(words)
        return
    with pytest.raises(UsageError, match="--apply names no plan"):
        refuse_empty(words)


def test_an_empty_consent_is_wrong_use_of_any_command(settings: Settings) -> None:
    """It ends 2 before anything is read."""
    for words in (("deploy", "nobody", "0123abc", "--apply", ""), ("definitions", "apply", "--apply=")):
        done = k1nb(settings, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--apply names no plan" in done.stderr
