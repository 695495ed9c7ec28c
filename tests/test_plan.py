"""Plans: their identity and their consent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.errors import ConsentError
from k1nb.plan import Plan, Step

FLASH = Step("flash", "demo", "because", destructive=True)
words = st.text(max_size=20)
steps = st.lists(st.builds(Step, words, words, words, st.booleans()), max_size=4).map(tuple)
facts = st.dictionaries(words, words | st.integers() | st.none(), max_size=4)


@given(steps, facts)
def test_a_plan_is_named_by_its_content(planned: tuple[Step, ...], observed: dict[str, object]) -> None:
    """Equal steps and preconditions give the same id, whatever the order of the facts."""
    again = dict(reversed(observed.items()))
    assert Plan("p", planned, observed).id == Plan("p", planned, again).id


@given(steps, facts, words)
def test_another_fact_is_another_plan(planned: tuple[Step, ...], observed: dict[str, object], more: str) -> None:
    """A changed precondition changes the id."""
    assert Plan("p", planned, observed).id != Plan("p", planned, {**observed, more: ["new"]}).id


def test_destructive_plans_want_their_own_id() -> None:
    """A destructive plan refuses no consent and another plan's id, and names the right one."""
    plan = Plan("delivery", (FLASH,), {"at": 1})
    plan.require(plan.id)
    for consent in ("", Plan("delivery", (FLASH,), {"at": 2}).id):
        with pytest.raises(ConsentError) as caught:
            plan.require(consent)
        assert plan.id in str(caught.value)


def test_harmless_plans_need_no_consent() -> None:
    """A plan that destroys nothing is applied without an id."""
    Plan("definitions", (Step("create", "task x", "missing"),)).require("")


@given(steps, facts, st.lists(words, max_size=3))
def test_remarks_are_no_part_of_a_plan(planned: tuple[Step, ...], observed: dict[str, object], said: list[str]) -> None:
    """What is merely so now changes no id, and is told."""
    plan = Plan("p", planned, observed, remarks=tuple(said))
    assert plan.id == Plan("p", planned, observed).id
    assert plan.as_dict()["remarks"] == said


@given(steps, facts, steps, facts)
def test_a_plan_that_is_another_says_in_what(
    planned: tuple[Step, ...], observed: dict[str, object], after: tuple[Step, ...], seen: dict[str, object]
) -> None:
    """Only the same plan passes; of another one each fact that differs is named."""
    plan, now = Plan("p", planned, observed), Plan("p", after, seen, remarks=("so",))
    if plan.id == now.id:
        plan.require_same(now)
        return
    with pytest.raises(ConsentError) as caught:
        plan.require_same(now)
    for name in observed.keys() | seen.keys():
        if observed.get(name) != seen.get(name):
            assert f"{name} was " in caught.value.message
    assert ("the steps were" in caught.value.message) is (planned != after)
