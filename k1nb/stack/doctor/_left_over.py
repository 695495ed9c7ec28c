"""What a crash has left: processes that nobody keeps, pid files of the dead, runs and folders that nobody ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from k1nb.checks import Check, Status

_NAMED = 5


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What was found of each kind; empty where there is none."""

    orphans: Sequence[str] = ()
    """Processes of the stack without a supervisord that answers, as `workers (pid 123)`."""
    builds: Sequence[str] = ()
    """Processes of builds whose worker host is dead."""
    pid_files: Sequence[Path] = ()
    """Pid files of processes that are no more."""
    runs: Sequence[str] = ()
    """Staged runs whose kernel is dead."""
    folders: Sequence[Path] = ()
    """Build folders that nothing has touched for a day, and scratch folders of a start that was cut off."""


def left_over_checks(found: LeftOver) -> list[Check]:
    """Judge each kind of left-over; each is harmless to look at and has a remedy."""
    ends = "`k1nb up` ends them and starts anew, `k1nb down` ends them"
    mends = "`k1nb up` mends that: what was under way is continued"
    moves = "the next `k1nb run` moves them into the archive as INTERRUPTED"
    return [
        _check("processes", found.orphans, "run without a supervisord", ends),
        _check("builds", found.builds, "go on without a worker host", "`k1nb up workers` ends them"),
        _check("pid files", found.pid_files, "name processes that are no more", mends),
        _check("staged runs", found.runs, "broke off before they concluded", moves),
        _check("folders", found.folders, "are abandoned", _remove(found.folders)),
    ]


def _check(kind: str, found: Iterable[object], what: str, hint: str) -> Check:
    names = [str(each) for each in found]
    if not names:
        return Check(f"left over: {kind}", Status.OK, "none", source="processes and files of this home")
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    seen = f"{len(names)} {what}: {', '.join(names[:_NAMED])}{more}"
    return Check(f"left over: {kind}", Status.WARN, seen, hint, "processes and files of this home")


def _remove(folders: Sequence[Path]) -> str:
    parents = ", ".join(sorted({str(folder.parent) for folder in folders}))
    return f"see that no execution uses them (`k1nb executions list --running`), then remove them below {parents}"
