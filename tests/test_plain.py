"""What others wrote is shown, and no terminal obeys it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from k1nb._plain import counted, first_line, json_without_control, without_control


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("status \x1b[2J\x1b[H\x1b[32mOK\x1b[0m", "status OK"),
        ("\x9b2J\x9b32mOK", "OK"),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x9d52;c;x\x9cc", "abc"),
        ("a\rb\bc\x7fd\x85e\x00", "abcde"),
        ("safe \u202egnp.exe\u202c \u2066x\u2069", "safe gnp.exe x"),
        ("two\nlines\tand é 漢 ✓", "two\nlines\tand é 漢 ✓"),
        ("cut off \x1b", "cut off "),
        ("\x1b(B\x1b[msgr0\x1b)0 \x1b#8\x1b7kept\x1b8", "sgr0 kept"),
        ("a\x1bP1$r0m\x1b\\b\x1b_x\x07c\x1b^y\x9cd\x1bXz\x1b\\e\x90q\x9cf\x9fr\x9cg", "abcdefg"),
        ("a\x1bPtmux;\x1b\x1b]8;;http://x\x07\x1b\\b", "ab"),
        ("a\x1b[\x0031mb\x1b[38:5:1mc", "abc"),
        ("title \x1b]0;that goes on\x1b[mand ends", "title and ends"),
        ("\x1b]0;no end\nmore \x1b[mlines", "0;no end\nmore lines"),
        ("\x1b\u00e9 \x0e\x0f", "\u00e9 "),
    ],
)
def test_only_line_feeds_and_tabs_stay(text: str, left: str) -> None:
    """Sequences go whole, other control characters one by one, and words stay as they are."""
    assert without_control(text) == left


@given(some.text(some.sampled_from("\x1b\x9b\x9d\x07\x1c[]0m;\\\u202e\u2069\n\tab")))
def test_nothing_is_left_in_any_order(text: str) -> None:
    """However sequences are nested or cut, no control character but line feed and tab is left."""
    left = without_control(text)
    assert not set(left) - set("[]0m;\\\n\tab")
    assert without_control(left) == left


@given(some.text())
def test_json_says_the_same(text: str) -> None:
    """JSON is read as what was written, and holds no control character."""
    shown = json_without_control(json.dumps({text: text}, ensure_ascii=False))
    assert json.loads(shown) == {text: text}
    assert without_control(shown) == shown


def test_one_thing_is_no_plural() -> None:
    """What is counted stands in its own number."""
    assert [counted(n, "task") for n in (0, 1, 2, 1_234)] == ["0 tasks", "1 task", "2 tasks", "1,234 tasks"]
    assert [counted(n, "task waits", "tasks wait") for n in (1, 2)] == ["1 task waits", "2 tasks wait"]


@given(some.text(), some.integers(min_value=10, max_value=200))
def test_a_first_line_is_one_and_no_longer_than_asked(text: str, limit: int) -> None:
    """Of any text one line comes out, within the limit, and of a text that says something, something."""
    line = first_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert bool(line) is bool(text.strip())


@pytest.mark.parametrize(
    ("text", "line"),
    [("\n short  one\n", "short one"), ("first\nsecond", "first …"), ("0123456789ab", "01234567 …"), ("  \n", "")],
)
def test_a_first_line_says_that_more_follows(text: str, line: str) -> None:
    """What was left out can be seen to be."""
    assert first_line(text, 10) == line
