"""Records on a terminal: lists of them, one of them, what was found in them, and how two differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.syntax import Syntax
from rich.text import Text

from k1nb._plain import without_control
from k1nb.records import BEGIN, END, HOW_TO_CHECK, NO_CHECKS, NOT_KNOWN, number, percent, said, tally, way_on, why_not
from k1nb.show._terminal import new_table, print_checks, status_text
from k1nb.show._words import duration

if TYPE_CHECKING:
    from rich.console import Console

    from k1nb.checks import Check, Verdict
    from k1nb.records import Cell, Difference, Hit, Output, Record
    from k1nb.secrets import Redactor

_KINDS = {"worse": "bold red", "better": "green", "came": "blue", "went": "blue", "other": "dim"}
_DOUBT = "magenta"
_THEME = "ansi_light"
"""The terminal's own colours: what is no keyword or the like is as all other text, on light and dark alike."""


def print_records(console: Console, records: Sequence[Record], *, narrowed: bool = False) -> None:
    """Print one line for each record; `narrowed` tells that not all were asked for."""
    if not records:
        console.print("no record fits" if narrowed else "no records yet; make one with: k1nb run daily_health")
        return
    table = new_table("verdict", "run", "began (UTC)", "took", "")
    table.columns[1].no_wrap = True  # an id that is folded cannot be copied
    for record in records:
        table.add_row(
            _verdict(record),
            Text(record.id),
            _time(record.started_at),
            duration(record.seconds) if record.seconds is not None else "",
            _said(record),
        )
    console.print(table)


def _said(record: Record) -> Text:
    if record.as_sealed is False:
        return Text(_not_sealed(record.folder.name), _DOUBT)
    said = Text("imported: " if record.manifest.imported else "")
    return said.append(why_not(record) or (tally(record.checks) if record.ended_at else ""))


def print_record(console: Console, record: Record, *, doubts: Iterable[str] = (), change: str = "") -> None:
    """Print a record: what speaks against it, verdict, what has changed, checks, facts and files."""
    for doubt in doubts:
        console.print(Text(f"this record contradicts itself: {doubt}", style="bold red"), soft_wrap=True)
    console.print(Text.assemble(_verdict(record), f"  {record.id}  {tally(record.checks)}"), soft_wrap=True)
    if why_not(record):
        console.print(Text(why_not(record), style="red"), soft_wrap=True)
    if why_not(record) == NO_CHECKS:
        console.print(Text(f"hint: {HOW_TO_CHECK}"), soft_wrap=True)
    if record.manifest.imported:
        console.print(Text(str(record.manifest.imported), style="yellow"), soft_wrap=True)
    if change:
        console.print(Text(change, style="dim"), soft_wrap=True)
    if record.verdict == "INTERRUPTED" and not record.running:
        console.print(Text(f"hint: {way_on(record)}"), soft_wrap=True)
    for line in _facts(record):
        console.print(Text(line), soft_wrap=True)
    if record.checks:
        print_checks(console, record.checks)
    console.print(Text(f"files in {record.folder}: {', '.join(record.files) or 'none'}", style="dim"), soft_wrap=True)


def _facts(record: Record) -> Iterable[str]:
    manifest = record.manifest
    if record.parameters:
        yield f"parameters: {', '.join(f'{name}={value!r}' for name, value in record.parameters.items())}"
    for kind in ("devices", "executions", "artifacts"):
        for identifier in getattr(manifest, kind):
            yield f"{kind.removesuffix('s')}: {identifier}"
    if manifest.resumes:
        yield f"goes on from: {manifest.resumes}"
    if manifest.clock_set_back:
        yield f"took: {NOT_KNOWN}"
    if manifest.redactions:
        yield f"masked: a secret in {manifest.redactions} places"
    if manifest.pruned:
        yield f"removed since: {', '.join(manifest.pruned)}"
    if manifest.seal:
        yield f"seal: number {manifest.seal.number} of chain {manifest.seal.chain}"


def print_hits(console: Console, hits: Sequence[Hit]) -> None:
    """Print what was found: a line for each record, below it the check that fits and the words around the hit."""
    if not hits:
        console.print("no record fits")
        return
    for hit in hits:
        doubtful = hit.as_sealed is False
        head = Text.assemble(
            _marked_verdict(hit.verdict, doubtful=doubtful), "  ", (hit.run, "bold"), f"  {_time(hit.began)} UTC"
        )
        if hit.seconds is not None:
            head.append(f"  {duration(hit.seconds)}", "dim")
        console.print(head, soft_wrap=True)
        if doubtful:
            console.print(Text(f"  {_not_sealed(hit.run)}", _DOUBT), soft_wrap=True)
        console.print(Text(f"  {_one_line(hit.check or hit.why or hit.tally)}"), soft_wrap=True)
        if hit.snippet:
            console.print(Text("  ").append_text(_marked(_one_line(hit.snippet))), soft_wrap=True)


def _one_line(text: str) -> str:
    """Return what others wrote so that none of it can pass for a line of ours."""
    return " ".join(text.splitlines())


def _marked(snippet: str) -> Text:
    text = Text(style="dim")
    for place, part in enumerate(snippet.split(BEGIN)):
        found, _, rest = part.partition(END) if place else ("", "", part)
        text.append(found, "bold not dim").append(rest)
    return text


def print_difference(console: Console, change: Difference) -> None:
    """Print how two records differ, group by group; what is the same is not printed."""
    sides = {"before": change.old, "after": change.new}
    widest = max(len(_verdict(record)) for record in sides.values())
    for word, record in sides.items():
        verdict = _verdict(record)
        verdict.pad_right(widest - len(verdict))
        console.print(Text.assemble((f"{word:<7}", "dim"), verdict, f"  {record.id}"), soft_wrap=True)
    if change.checks:
        table = new_table("", "check", "before", "after")
        for each in change.checks:
            kind = Text(each.kind, _KINDS[each.kind])
            table.add_row(kind, Text(each.name), _check(each.old), _check(each.new))
        console.print(table)
    _print_facts(console, change)
    _print_numbers(console, change)
    if not change.found:
        console.print("nothing differs but what was measured, and when")


def _print_facts(console: Console, change: Difference) -> None:
    """Print what is not measured; of what kind each is, for a parameter may be called as what a run is about."""
    facts = [fact for fact in change.facts if fact.name != "verdict"]
    groups = {"": facts, "parameter ": change.parameters, "version of ": change.versions, "about ": change.mentions}
    table = new_table("changed", "before", "after")
    for kind, each in groups.items():
        for fact in each:
            table.add_row(Text(f"{kind}{fact.name}"), _value(fact.old), _value(fact.new))
    if table.rows:
        console.print(table)


def _print_numbers(console: Console, change: Difference) -> None:
    if not (change.values or change.seconds):
        return
    table = new_table("measured", "before", "after", "difference", "relative")
    for value in change.values:
        name = Text(f"{value.check}: {value.name}")
        table.add_row(name, number(value.old), number(value.new), number(value.difference), percent(value.relative))
    for each in change.seconds:
        more = each.new - each.old if None not in (each.old, each.new) else None
        table.add_row(f"{each.name}: seconds", number(each.old), number(each.new), number(more), "")
    console.print(table)


def _check(check: Check | None) -> Text:
    return Text("–", "dim") if check is None else Text.assemble(status_text(check.status), f" {check.evidence}")


def _value(value: Any) -> Text:
    return Text(said(value), "dim" if value is None else "")


def print_cells(console: Console, cells: Sequence[Cell], redact: Redactor) -> None:
    """Print the cells of an executed notebook with what they put out, as text; what it says then is masked again."""
    if not cells:
        console.print("the record has no executed notebook")
    for cell in cells:
        if cell.kind == "code":
            console.print(Text(f"── cell {cell.number} ──", style="dim"))
            console.print(
                Syntax(
                    redact(without_control(cell.source)),
                    "python",
                    theme=_THEME,
                    background_color="default",
                    word_wrap=True,
                )
            )
            for output in cell.outputs:
                _print_output(console, output, redact)
        else:
            console.print(Text(redact(without_control(cell.source)), style="italic"))
        console.print()


def _print_output(console: Console, output: Output, redact: Redactor) -> None:
    text = Text(redact(without_control(output.text)).rstrip(), style="red" if output.kind == "error" else "")
    if text.plain.strip():
        console.print(text)
    pictures = [kind for kind in output.data if kind.startswith("image/")]
    if pictures:
        console.print(Text(f"({pictures[0]}: k1nb records export shows it)", style="dim"))


def _verdict(record: Record) -> Text:
    if record.running:
        return Text("running", "blue")
    return _marked_verdict(record.verdict, doubtful=record.as_sealed is False)


def _marked_verdict(verdict: Verdict, *, doubtful: bool) -> Text:
    return Text(f"{verdict}?", _DOUBT) if doubtful else status_text(verdict)


def _not_sealed(run: str) -> str:
    return f"not as it was sealed: k1nb records verify {run}"


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}"
