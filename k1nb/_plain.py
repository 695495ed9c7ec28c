"""What shows nothing in a text: taken out where a text is shown, and looked through where secrets are looked for."""

from __future__ import annotations

import re

CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069"
"""Control characters but line feed, carriage return and tab, and what turns the order of what follows."""
_ENDS = r"\x07\x18\x1a\x1b\x90\x98\x9c-\x9f"
"""What no string of a terminal holds: its end, and what begins another sequence."""
_STRING = rf"(?:[^{_ENDS}]*+(?:\x07|\x1b\\|\x9c)|[^\n{_ENDS}]*+(?=[{_ENDS}]))"
"""A title of a window, a link and the like, until it ends or, within a line, another sequence begins."""
_MOVE = r"[\x00-\x08\x0b-\x17\x19\x1c-\x1f0-?]*+[ -/]*+[@-~]"
"""A colour or a movement of the cursor."""
_OTHER = r"[ -/]*+[0-~]"
"""What else begins with an escape: the choice of a character set, the keeping of the cursor."""
SEQUENCE = rf"(?:(?<=\x1b)(?:\[{_MOVE}|{_OTHER})|(?<=\x9b){_MOVE})?"
"""What goes on after a control character in a sequence that a terminal obeys, without the words of a string."""
UNSEEN = rf"(?:(?<=\x1b)[\]PX^_]{_STRING}|(?<=[\x90\x98\x9d-\x9f]){_STRING}|{SEQUENCE})"
"""What goes on after a control character in a sequence that a terminal obeys, and so does not show."""
IGNORABLE = (
    "[\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f"
    "\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a"
    "\\U000e0000-\\U000e0fff]"
)
"""What has no shape of its own in Unicode: places where a word may break, variants of a sign. It is shown as it is."""

_UNSEEN = re.compile(rf"[{CONTROL}\r]{UNSEEN}")
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
