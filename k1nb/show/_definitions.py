"""Definitions for people: what lint finds, the rules it knows, and what differs from a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from rich.table import Table as RichTable
from rich.text import Text

from k1nb.records import table_html
from k1nb.show._tables import Table

if TYPE_CHECKING:
    from rich.console import Console

    from k1nb.conductor import Applied, DefinitionFacts, Difference, Finding, Rule

_STYLES = {"added": "green", "changed": "yellow", "only on the server": "dim"}
_SIGNS = {"added": "+", "changed": "~", "only on the server": "-"}


def print_differences(console: Console, facts: DefinitionFacts) -> None:
    """Print what differs from the server: one line for each definition, below it each value that changes."""
    for difference in facts.differences:
        kind = difference.kind.value
        console.print(Text(f"{_SIGNS[kind]} {difference.subject}: {kind}", _STYLES[kind]), soft_wrap=True)
        for line in _lines(difference, facts):
            console.print(Text(f"    {line}"), soft_wrap=True)
    console.print(Text(_summary(facts), style="dim"), soft_wrap=True)


def print_rules(console: Console, rules: Iterable[Rule]) -> None:
    """Print every rule: its code, what it wants, what the server says where it is broken, and what becomes of it."""
    table = RichTable(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for head in ("code", "wants", "server", "otherwise"):
        table.add_column(head, overflow="fold", no_wrap=head in ("code", "server"))
    for rule in rules:
        table.add_row(rule.code, Text(rule.wants), rule.answer.value, Text(rule.otherwise))
    console.print(table)


def findings_table(findings: Iterable[Finding]) -> Table:
    """Return what lint found as a table: place, code, what is wrong, and the mend."""
    found = list(findings)
    if not found:
        return Table("<p>lint finds nothing</p>", "lint finds nothing")
    rows = [(f.where, f.code, f.text, f.mend) for f in found]
    text = "\n".join(f"{where}: {code} {what}\n  mend: {mend}" for where, code, what, mend in rows)
    return Table(table_html(("place", "code", "finding", "mend"), [tuple(map(escape, row)) for row in rows]), text)


def differences_table(facts: DefinitionFacts) -> Table:
    """Return what differs from the server as a table; what only the server has is counted below it."""
    ours = [difference for difference in facts.differences if difference.kind.value != "only on the server"]
    lines = [f"{d.subject}: {d.kind.value}\n" + "".join(f"  {line}\n" for line in _lines(d, facts)) for d in ours]
    rows = [
        (escape(d.subject), escape(d.kind.value), "<br>".join(escape(line) for line in _lines(d, facts))) for d in ours
    ]
    html = table_html(("definition", "", "server → files"), rows) if rows else ""
    return Table(f"{html}<p>{escape(_summary(facts))}</p>", "".join(lines) + _summary(facts))


def report_table(report: Iterable[Applied]) -> Table:
    """Return what became of each definition as a table, unchanged ones as a count."""
    items = list(report)
    rows = [(i.subject, i.action, i.status, i.words) for i in items if i.status != "unchanged"]
    same = f"{len(items) - len(rows)} unchanged"
    text = "".join(f"{status} {subject}{f': {words}' if words else ''}\n" for subject, _, status, words in rows)
    html = table_html(("definition", "step", "", "the server says"), [tuple(map(escape, row)) for row in rows])
    return Table(f"{html if rows else ''}<p>{same}</p>", text + same)


def _lines(difference: Difference, facts: DefinitionFacts) -> Iterator[str]:
    yield from map(str, difference.changes)
    if ids := facts.in_use.get(difference.subject):
        yield f"{len(ids)} running executions would see it change: {', '.join(ids[:3])}{' …' if len(ids) > 3 else ''}"


def _summary(facts: DefinitionFacts) -> str:
    kinds = [difference.kind.value for difference in facts.differences]
    counts = [f"{kinds.count(kind)} {kind}" for kind in _SIGNS if kind in kinds]
    same = len(facts.definitions.subjects()) - sum(kind != "only on the server" for kind in kinds)
    return f"{facts.server}: {', '.join([*counts, f'{same} as in the files'])}"
