"""What a verification of records found, for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from k1nb._plain import counted

if TYPE_CHECKING:
    from rich.console import Console

    from k1nb.records import Verification


def print_verification(console: Console, found: Verification) -> None:
    """Print what is not as it was sealed, then what was looked at."""
    for problem in found.problems:
        where = " ".join(part for part in (problem.run, problem.file) if part) or "chain"
        console.print(Text.assemble((where, "bold"), f": {problem.what}"), soft_wrap=True)
    for run in found.unsealed if found.one else ():
        console.print(Text.assemble((run.run, "bold"), f": {run.what}"), soft_wrap=True)
    for chain in found.chains:
        console.print(
            Text(f"chain {chain.id}: {counted(chain.seals, 'seal')}, the last is {chain.last}"), soft_wrap=True
        )
        for number, why in sorted(chain.begins.items()):
            console.print(Text(f"  seal {number}: {why}", style="dim"), soft_wrap=True)
    if found.one and found.unsealed:
        return
    if found.unsealed:
        console.print(Text(f"not sealed yet, and not looked at: {_runs(found)}", style="dim"), soft_wrap=True)
    told = f"{counted(found.records, 'record')}, {counted(found.files, 'file')}: "
    problems = len(found.problems)
    if problems:
        said = Text(f"{told}{counted(problems, 'problem')}", style="bold red")
    elif found.records:
        said = Text(f"{told}as they were sealed", style="green")
    else:
        said = Text("no sealed record is here, so nothing was verified", style="bold red")
    console.print(said, soft_wrap=True)


def _runs(found: Verification) -> str:
    running = sum(run.running for run in found.unsealed)
    counts = {"running": running, "broken off, moved in by the next start": len(found.unsealed) - running}
    return "; ".join(f"{count} {what}" for what, count in counts.items() if count)
