"""Why something failed: the innermost of the reasons that the server wraps into one another."""

from __future__ import annotations

import re

_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_FAILED = rf"Task {_ID} failed with status: [A-Z_]+ and reason: '"
_CHILD = rf"Sub workflow [^\n]+?\.\d+/{_ID} failure reason: "
_PARENT = "Parent workflow has been terminated with reason: "
_WRAPPED = re.compile(rf"{_FAILED}(?P<failed>.*)'|{_CHILD}(?P<child>.*)|{_PARENT}(?P<parent>.*)", re.DOTALL)
_WRAPPING = re.compile(rf"{_FAILED}|{_CHILD}|{_PARENT}")
_NOTHING = ("", "null")


def innermost(reason: str) -> str:
    """Return the reason within what the server wraps around it, once for each task and sub-workflow on its way up.

    A text that is not wrapped whole is returned as it is, and so is a wrapping around nothing. Source: Conductor
    3.32.1.
    """
    found = reason
    while (wrapped := _WRAPPED.fullmatch(found)) and (inner := wrapped[wrapped.lastgroup or 0]).strip() not in _NOTHING:
        found = inner
    # Several reasons in a row, each in a wrapping of its own, are no nest: peeled, they would fall apart.
    return reason if _WRAPPING.search(found, 1) else found
