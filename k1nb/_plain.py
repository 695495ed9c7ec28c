"""Text from anywhere, made fit to be shown: nothing in it moves a cursor, paints, or turns the order of a line."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    r"(?:\x1b\[|\x9b)[0-9;:?]*[ -/]*[@-~]"  # colours and movements of the cursor
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # titles of windows, links, the clipboard
    r"|\x1b."
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u202a-\u202e\u2066-\u2069]"  # what follows stands in another order than it was written
)
_IN_JSON = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What JSON may hold as it is, and a terminal obeys."""


def without_control(text: str) -> str:
    """Return text without the sequences of a terminal and other control characters; line feeds and tabs stay."""
    return _UNSEEN.sub("", text)


def json_without_control(text: str) -> str:
    """Return JSON that says the same without a control character in it."""
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `1 task` or `2 tasks`; a plural that is not made with an s is given."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def first_line(text: str, limit: int) -> str:
    """Return the first line of a text that says something, its blanks made one, visibly cut where more follows."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    cut = len(lines) > 1 or len(lines[0]) > limit
    return f"{lines[0][: limit - 2].rstrip()} …" if cut else lines[0]
