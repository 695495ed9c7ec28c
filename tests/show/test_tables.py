"""Plans and checks as tables in a notebook."""

from __future__ import annotations

from dataclasses import replace

from k1nb.checks import Check, Status
from k1nb.plan import Plan, Step
from k1nb.show import checks_table, plan_table

PLAN = Plan(
    "delivery of <abc> to demo",
    (Step("build", "repo@abc", "a subject"), Step("flash", "demo", "the ledger is empty", destructive=True)),
    {"device": "02:4B:31:00:00:01", "artifact": None},
)


def test_a_plan_shows_its_id_its_steps_and_what_it_rests_on() -> None:
    """Both forms of a plan have its id, every step, and the facts; only destructive steps are marked."""
    table = plan_table(PLAN)
    for text in (repr(table), table._repr_html_()):
        assert PLAN.id in text
        assert "02:4B:31:00:00:01" in text
        assert "nothing known" in text
        assert text.count("(destructive)") == 1
    assert "&lt;abc&gt;" in table._repr_html_()
    assert "2. flash demo: the ledger is empty (destructive)" in repr(table)


def test_an_empty_plan_is_nothing_to_do() -> None:
    """A plan without steps says so and shows no id to apply."""
    table = plan_table(Plan("delivery"))
    assert repr(table) == "delivery: nothing to do"
    assert "plan-" not in table._repr_html_()


def test_remarks_stand_with_a_plan() -> None:
    """What is worth knowing is shown in both forms, with steps and without."""
    for plan in (replace(PLAN, remarks=("it <does> not answer",)), Plan("delivery", remarks=("it <does> not answer",))):
        table = plan_table(plan)
        assert "\n  note: it <does> not answer" in repr(table)
        assert "<li>it &lt;does&gt; not answer</li>" in table._repr_html_()


def test_checks_have_both_forms() -> None:
    """Checks read as a table in HTML and as lines of text."""
    table = checks_table(iter([Check("a", Status.OK, "fine"), Check("b", Status.FAIL, "bad", "mend")]))
    assert repr(table).startswith("FAIL")
    assert table._repr_html_().startswith("<table>")


def test_services_are_shown_as_text_and_html() -> None:
    """Each service stands with its state, its process and what is known of it."""
    from k1nb.show import services_table
    from k1nb.stack import ServiceStatus

    table = services_table([ServiceStatus("workers", "failed", 7, detail="<stopped>")])
    assert table.text == "workers  failed  7  <stopped>"
    assert "&lt;stopped&gt;" in table.html
