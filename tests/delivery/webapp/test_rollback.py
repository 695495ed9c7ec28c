"""Going back to another release of the web app, by plan."""

from __future__ import annotations

import pytest

from k1nb.config import Settings
from k1nb.delivery import webapp
from k1nb.errors import ConsentError, UsageError
from tests.conftest import FreePort
from tests.delivery.webapp.builders import a_device
from tests.delivery.webapp.test_deploy import deploy


def test_one_goes_back_by_plan_and_forth_again(settings: Settings, free_port: FreePort) -> None:
    """Without consent nothing changes; with it the release before is served, and then the other way is the way back."""
    device = a_device(free_port)
    first, second = deploy(settings, device, "1.0.0", "a"), deploy(settings, device, "1.0.1", "b")
    facts = webapp.observe(settings, "production")
    plan = webapp.plan(facts)
    assert (facts.current, facts.goal) == (second.release, first.release)
    assert webapp.apply(settings, facts, plan) is None
    assert webapp.observe(settings, "production").current == second.release
    done = webapp.apply(settings, facts, plan, consent=plan.id)
    assert done is not None
    assert (done.release, done.changed) == (first.release, True)
    with pytest.raises(ConsentError, match="changed"):
        webapp.apply(settings, facts, plan, consent=plan.id)
    assert webapp.observe(settings, "production").goal == second.release
    assert webapp.plan(webapp.observe(settings, "production", first.release)).steps == ()


def test_there_is_no_way_back_to_nowhere(settings: Settings, free_port: FreePort) -> None:
    """Without a release before, and to one that is not there, nothing is planned."""
    deploy(settings, a_device(free_port), "1.0.0")
    with pytest.raises(UsageError, match="no release before"):
        webapp.observe(settings, "production")
    with pytest.raises(UsageError, match="no release 'x'"):
        webapp.observe(settings, "production", "x")
