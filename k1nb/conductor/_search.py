"""The search language: what a server with SQLite and one with Elasticsearch understand alike."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

from k1nb.conductor._executions import ExecutionStatus
from k1nb.errors import UsageError

LARGEST_PAGE = 5000
"""Executions that the server gives at once; it refuses to be asked for more. Source: Conductor 3.32.1."""
_UNSEARCHABLE = re.compile(r"""["'(),*\\\x00-\x1f\x7f]|\sAND\s""")
"""What one index or the other cannot have inside a quoted value.

SQLite's takes quotes and parentheses out of a value, splits it at commas, and the query at ` AND `; a star makes it a
pattern. Elasticsearch's ends the value at a quote and knows no escape.
"""
_PLAIN = re.compile(r"[\w.@#;][\w.@#;-]*")
"""A word that means itself in Elasticsearch's language of free text."""
_OPERATORS = ("AND", "OR", "NOT")


def query(
    status: ExecutionStatus | Collection[ExecutionStatus] | None,
    name: str | None,
    since: datetime | None,
    before: datetime | None = None,
) -> str:
    """Return a search expression; raises UsageError for a name that it cannot express.

    Values are quoted: Elasticsearch answers 500 to one that is not, SQLite does without.
    """
    parts = []
    if status:
        values = [status] if isinstance(status, ExecutionStatus) else list(status)
        parts.append(f"status IN ({','.join(quoted(value) for value in values)})")
    if name is not None:
        parts.append(f"workflowType={quoted(name)}")
    if since is not None:
        parts.append(f"startTime>{int(since.timestamp() * 1000)}")
    if before is not None:
        parts.append(f"startTime<{int(before.timestamp() * 1000)}")
    return " AND ".join(parts)


def quoted(value: str) -> str:
    """Return a value as it stands in a search expression; raises UsageError where no quoting keeps its meaning."""
    if not value.strip() or value != value.strip() or _UNSEARCHABLE.search(value):
        raise UsageError(f"cannot search for {value!r}", hint="give the whole name, without quotes, commas or *")
    return f'"{value}"'


def free_text(text: str) -> str:
    """Return what is looked for in names, inputs and outputs; without a text, everything.

    Raises UsageError for what means one thing to SQLite, which looks for the characters, and another to
    Elasticsearch, which looks for words.
    """
    if not text:
        return "*"
    if not _PLAIN.fullmatch(text) or text in _OPERATORS:
        raise UsageError(f"cannot search for the text {text!r}", hint="give one word of letters, digits, -, _ or .")
    return text
