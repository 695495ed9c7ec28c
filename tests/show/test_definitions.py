"""Definitions for people."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from k1nb.conductor import RULES, Applied, DefinitionFacts, Definitions, Finding, diff, plan_definitions
from k1nb.show import differences_table, findings_table, print_differences, print_rules, report_table
from tests.conductor.builders import a_task, a_use, a_workflow, defined

SUBJECT = "workflow build v1"


def _facts(definitions: Definitions, in_use: dict[str, tuple[str, ...]]) -> DefinitionFacts:
    tasks, workflows = [a_task("theirs")], [a_workflow(a_use(), description="<old>")]
    found = tuple(diff(definitions, tasks, workflows))
    plan = plan_definitions(definitions, tasks, workflows, in_use)
    return DefinitionFacts(definitions, (), found, in_use, plan, "http://server/api")


FACTS = _facts(defined(a_task(), a_workflow(a_use(), description="<new>")), {SUBJECT: ("e1", "e2", "e3", "e4")})


def _printed(facts: DefinitionFacts) -> str:
    console = Console(file=StringIO(), width=80, highlight=False)
    print_differences(console, facts)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_differences_are_printed_value_by_value() -> None:
    """Each definition has its sign, below it what changes and who would see it; a count ends it."""
    assert _printed(FACTS).splitlines() == [
        "+ task compile: added",
        "~ workflow build v1: changed",
        '    description: "<old>" → "<new>"',
        "    4 running executions would see it change: e1, e2, e3 …",
        "- task theirs: only on the server",
        "http://server/api: 1 added, 1 changed, 1 only on the server, 0 as in the files",
    ]


def test_no_difference_is_a_count() -> None:
    """Where all is alike, one line says so."""
    assert _printed(_facts(Definitions(), {})).splitlines()[-1].endswith("2 only on the server, 0 as in the files")


def test_differences_read_in_a_notebook() -> None:
    """Both forms of the table have each change; what only the server has is counted; HTML is escaped."""
    table = differences_table(FACTS)
    for text in (repr(table), table._repr_html_()):
        assert SUBJECT in text
        assert "e1, e2, e3" in text
        assert "theirs" not in text
        assert "1 only on the server" in text
    assert "&lt;old&gt;" in table._repr_html_()
    assert "<old>" not in table._repr_html_()
    assert "<table" not in differences_table(_facts(Definitions(), {}))._repr_html_()


def test_findings_read_in_a_notebook() -> None:
    """Place, code, finding and mend stand in both forms; without findings that is said."""
    table = findings_table([Finding("R7", SUBJECT, "it is <bad>", "mend it")])
    for word in (SUBJECT, "R7", "mend it"):
        assert word in repr(table)
        assert word in table._repr_html_()
    assert "&lt;bad&gt;" in table._repr_html_()
    assert repr(findings_table([])) == "lint finds nothing"


def test_a_report_names_what_happened_and_counts_the_rest() -> None:
    """What was applied or failed is named, the latter in the server's words; unchanged ones are a count."""
    report = [Applied("create", "task a"), Applied("update", "task b", "failed", "no <way>")]
    table = report_table([*report, Applied("none", "task c", "unchanged")])
    assert repr(table).splitlines() == ["applied task a", "failed task b: no <way>", "1 unchanged"]
    assert "&lt;way&gt;" in table._repr_html_()
    assert repr(report_table([])) == "0 unchanged"


def test_rules_are_a_table() -> None:
    """Each rule has a line with its code and what the server answers."""
    console = Console(file=StringIO(), width=240)
    print_rules(console, RULES.values())
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == len(RULES) + 1
    assert all(rule.answer.value in line for rule, line in zip(RULES.values(), lines[1:], strict=True))
