"""Plans and checks as tables in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from k1nb.checks import Check
from k1nb.plan import Plan
from k1nb.records import checks_html, checks_text, table_html

if TYPE_CHECKING:
    from k1nb.stack import ServiceStatus


@dataclass(frozen=True, slots=True)
class Table:
    """Something that Jupyter shows as HTML and a terminal as text."""

    html: str
    text: str

    def __repr__(self) -> str:
        """Return the text."""
        return self.text

    def _repr_html_(self) -> str:
        """Return the HTML, as Jupyter asks for it."""
        return self.html


def checks_table(checks: Iterable[Check]) -> Table:
    """Return checks as a table, the worst first."""
    found = list(checks)
    return Table(checks_html(found), checks_text(found))


def plan_table(plan: Plan) -> Table:
    """Return a plan: its id, its steps, and what it was planned from."""
    return Table(_plan_html(plan), plan_text(plan))


def services_table(services: Iterable[ServiceStatus]) -> Table:
    """Return how each service stands."""
    head = ("service", "state", "pid", "since (UTC)", "address", "")
    rows = [
        (s.name, s.state, str(s.pid or ""), f"{s.since:%Y-%m-%d %H:%M:%S}" if s.since else "", s.address, s.detail)
        for s in services
    ]
    text = "\n".join("  ".join(filter(None, row)) for row in rows)
    return Table(table_html(head, [[escape(cell) for cell in row] for row in rows]), text)


def plan_text(plan: Plan) -> str:
    """Return a plan as lines of text."""
    remarks = [f"  note: {remark}" for remark in plan.remarks]
    if not plan.steps:
        return "\n".join((f"{plan.purpose}: nothing to do", *remarks))
    steps = (f"  {n}. {s.action} {s.subject}: {s.why}{_mark(s.destructive)}" for n, s in enumerate(plan.steps, 1))
    facts = (f"  {name}: {_fact(value)}" for name, value in plan.preconditions.items())
    return "\n".join((f"{plan.id}: {plan.purpose}", *steps, *remarks, "planned from", *facts))


def _plan_html(plan: Plan) -> str:
    if not plan.steps:
        return f"<p><strong>{escape(plan.purpose)}</strong>: nothing to do</p>{_remarks_html(plan)}"
    head = f"<p><code>{plan.id}</code> <strong>{escape(plan.purpose)}</strong></p>"
    steps = table_html(
        ("", "step", "on", "why"),
        [
            (str(n), f"<strong>{escape(s.action)}</strong>{_mark(s.destructive)}", escape(s.subject), escape(s.why))
            for n, s in enumerate(plan.steps, 1)
        ],
    )
    facts = table_html(
        ("planned from", ""), [(escape(name), escape(_fact(value))) for name, value in plan.preconditions.items()]
    )
    return head + steps + _remarks_html(plan) + facts


def _remarks_html(plan: Plan) -> str:
    lines = "".join(f"<li>{escape(remark)}</li>" for remark in plan.remarks)
    return f"<ul>{lines}</ul>" if lines else ""


def _mark(destructive: bool) -> str:
    return " (destructive)" if destructive else ""


def _fact(value: object) -> str:
    return "nothing known" if value is None else str(value)
