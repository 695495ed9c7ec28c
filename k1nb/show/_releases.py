"""What the command line prints of releases and of the approvals that they wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from k1nb.show._terminal import new_listing, new_table

if TYPE_CHECKING:
    from rich.console import Console

    from k1nb.delivery.webapp import Release


def print_approvals(console: Console, waiting: Sequence[Mapping[str, Any]]) -> None:
    """Print one line for each gate that waits."""
    if not waiting:
        console.print("nothing waits for approval")
        return
    table = new_listing("execution", "release", "device", "asked (UTC)", "until (UTC)", "")
    for gate in waiting:
        asked = gate["question"]
        facts = (asked.get("release_version") or gate["workflow"], asked.get("device") or "")
        table.add_row(
            gate["execution"],
            *(Text(str(fact)) for fact in facts),
            _time(gate["asked_at"]),
            _time(gate["until"]),
            Text("overdue", "bold red") if gate["overdue"] else "",
        )
    console.print(table)


def print_releases(console: Console, releases: Sequence[Release]) -> None:
    """Print one line for each release of the web app at a target."""
    if not releases:
        console.print("no releases there yet")
        return
    table = new_table("release", "since (UTC)", "")
    for release in releases:
        mark = Text("served", "green") if release.current else Text("the one before" if release.previous else "", "dim")
        table.add_row(Text(release.name), f"{release.at:%Y-%m-%d %H:%M:%S}", mark)
    console.print(table)


def _time(text: str | None) -> str:
    return text[:19].replace("T", " ") if text else ""
