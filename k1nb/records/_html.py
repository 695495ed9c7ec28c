"""What every page of ours shares: one file, that needs no network and no script, and allows none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape

from k1nb import __version__
from k1nb.paths import share
from k1nb.records._table import label

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'"


def document(title: str, body: str, *, styles: str = "", foot: str = "", now: datetime) -> str:
    """Return a whole page; `body`, `styles` and `foot` are HTML and CSS already."""
    css = (share("data") / "pages" / "record.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}{styles}</style></head>\n<body>\n{body}\n"
        f"<footer>Made by k1nb {__version__} at {now:%Y-%m-%d %H:%M:%S} UTC. {foot}</footer>\n</body></html>\n"
    )


def badge(status: str, *, doubtful: bool = False) -> str:
    """Return a status or verdict as HTML in its colour; a doubtful one looks like a failure, with a question mark."""
    kind, mark = ("FAIL", "?") if doubtful else (status, "")
    return f'<span class="badge {escape(kind)}">{escape(label(status))}{mark}</span>'


def not_as_sealed(run: str) -> str:
    """Say as HTML of a record that its manifest is not what was signed."""
    return words(f"not as it was sealed: `k1nb records verify {run}`")


def words(text: str) -> str:
    """Return a sentence as HTML; what stands between backticks is to be typed."""
    parts = escape(text).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def address(text: str) -> str:
    """Return a path or an address as HTML that is broken after a slash where it has to be."""
    return re.sub(r"(?<=[^/]/)(?=[^/])", "<wbr>", escape(text))


def facts(pairs: Mapping[str, str]) -> str:
    """Return names and values as a list; the values are HTML already, and empty ones are left out."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in pairs.items() if value)
    return f'<dl class="facts">{rows}</dl>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0, kind: str = "full") -> str:
    """Return a table; cells are HTML already, and the last `numbers` columns hold numbers.

    A narrow screen shows the cells of a `stack` below each other; of a `named` one each with its column's title.
    """
    first = len(head) - numbers
    mark = [
        ' class="num"' if n >= first else ' class="from"' if t.startswith("source") else "" for n, t in enumerate(head)
    ]
    names = [f' data-head="{escape(t)}"' if t and "named" in kind else "" for t in head]
    titles = "".join(f"<th{m}>{escape(t)}</th>" for t, m in zip(head, mark, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{m}{n}>{cell}</td>" for cell, m, n in zip(row, mark, names, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table class="{kind}"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'
    )
