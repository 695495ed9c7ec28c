"""How a secret's value is spelt where it leaks, and how a text is read so that nothing within a spelling hides it."""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property
from html.entities import codepoint2name
from itertools import accumulate, groupby
from urllib.parse import quote

_ANSI = re.compile(r"\x1b(?:\[[0-9;:?]*[A-Za-z]|[@-Z\\-_])")
"""Colours and the like; what a link or a title says, between such, stays."""
_FRAMES = " \t\r|│┃║"
"""What a terminal puts at both ends of a line when it folds a long word, within a table too."""
_QUOTED = re.compile(
    r"""\\{1,16}(?:[nr]|(?:u001[bB]|x1[bB]|033|e)\[[0-9;:?]*[A-Za-z]|["'],\s*\\*["'])|["'],\s*\\*["']"""
)
"""Line ends and colours as JSON and repr write them, and what stands between the texts of their lists."""
_TAG = re.compile(
    r"""<!--(?:(?!<!--|-->).)*-->|</?[a-zA-Z!](?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>|</?[a-zA-Z!][^<>]*>""", re.DOTALL
)
"""A comment, a tag with the signs in its attributes, and what only looks like one."""
_HIDDEN = re.compile(
    "[\0\xad\u200b-\u200f\u2060\ufeff]"
    r"|&(?:amp;)*(?:shy|zwn?j|ZeroWidthSpace|NoBreak|#173|#820[3-7]|#8288|#[xX](?:[aA][dD]|200[b-fB-F]|2060));"
    r"|\\{1,16}(?:x00|xad|u0000|u00ad|u200[b-f]|u2060|ufeff)"
)
"""What shows nothing, as NUL in UTF-16 and the places where a browser may break a word."""
_PREFIX = re.compile(r"^[ \t]*(?:[>#*;-]|//)+ ?", re.MULTILINE)
"""What quotations, comments and lists have before each line."""
_APART = (" ", "-", ".", "_", ",", ", ")
"""What may stand between all characters of a word."""
_MAY_GO = " |\\"
"""Characters of a secret that may be taken for a fold or a part of an escape, and be missing from a view."""
_MOST_ESCAPES = 15
"""Backslashes before one character: what four JSON texts within each other make of it."""
_FEWEST = 7
"""Characters of base64 or hex that still tell a secret: six of any secret make no fewer."""

Span = tuple[int, int]


class View:
    """A text without what may stand between the characters of a secret; its places can be told in the text itself."""

    def __init__(self, text: str, kept: Callable[[], list[Span]] | None = None, inner: View | None = None) -> None:
        self.text = text
        self._kept = kept
        self._inner = inner

    @cached_property
    def _places(self) -> tuple[list[int], list[int]]:
        """Return where the kept pieces begin, in this view and in the one it was made from."""
        kept = [(start, end) for start, end in (self._kept or list)() if end > start]
        return list(accumulate((end - start for start, end in kept[:-1]), initial=0)), [start for start, _ in kept]

    def _place(self, index: int) -> int:
        here, there = self._places
        piece = bisect_right(here, index) - 1
        return there[piece] + index - here[piece]

    def place(self, start: int, end: int) -> Span:
        """Return where in the text itself these characters of the view are."""
        if self._inner is None:
            return start, end
        return self._inner.place(self._place(start), self._place(end - 1) + 1)

    def without(self, noise: re.Pattern[str]) -> View:
        """Return this view without what matches."""
        text = noise.sub("", self.text)
        return self if len(text) == len(self.text) else View(text, lambda: list(_between(noise, self.text)), self)

    def unfolded(self) -> View:
        """Return this view with its lines joined, frames and blanks at their ends left out."""
        lines = self.text.replace("\r", "\n").split("\n")
        return View("".join([line.strip(_FRAMES) for line in lines]), lambda: list(_within(lines)), self)


def _between(noise: re.Pattern[str], text: str) -> Iterator[Span]:
    start = 0
    for match in noise.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)


def _within(lines: list[str]) -> Iterator[Span]:
    start = 0
    for line in lines:
        yield start + len(line) - len(line.lstrip(_FRAMES)), start + len(line.rstrip(_FRAMES))
        start += len(line) + 1


def views(text: str) -> Iterator[View]:
    """Yield how a text is looked at: without folds, colours, prefixes, what is hidden, quoting, tags."""
    view = View(text)
    folded = "\n" in text or "\r" in text
    if "\x1b" in text:
        yield view.unfolded() if folded else view  # for what only begins like a colour takes a character with it
        view = view.without(_ANSI)
    if folded:
        view = view.unfolded()
    yield view
    if folded and _PREFIX.search(text):
        plain = View(text).without(_PREFIX).unfolded()
        if plain.text != view.text:
            yield plain
    bare = view.without(_HIDDEN)
    if bare is not view:
        yield bare
        view = bare
    for signs, noise in ((("\\", "',", '",'), _QUOTED), ("<", _TAG)):
        if any(sign in text for sign in signs):
            bare = view.without(noise)
            if bare is not view:
                yield bare
            view = bare


class Spelling:
    """A way to spell one secret: `sign` is in every text that holds it, which is told fast."""

    def __init__(self, sign: str, pattern: str) -> None:
        self.sign = sign
        self._source = pattern

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self._source)  # when it is wanted: most texts hold no secret

    def spans(self, text: str) -> Iterator[Span]:
        """Yield where a text holds it."""
        if self.sign in text:
            yield from (match.span() for match in self._pattern.finditer(text) if match[0])


def spellings(secret: str) -> list[Spelling]:
    """Return the ways in which a secret's value usually leaks.

    One has it raw, or any of its characters escaped for JSON, Python, a shell, a URL or HTML, several times too; the
    others have it in base64, alone or within a longer text, and in hex.
    """
    cases = sorted({secret, secret.upper(), secret.lower()})
    written = [Spelling(max(re.findall("[A-Za-z0-9]+", case), key=len, default=""), _escaped(case)) for case in cases]
    apart = [Spelling(text, re.escape(text)) for text in (sign.join(secret) for sign in _APART)]
    raw = secret.encode()
    quoted = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    coded = {coded for form in quoted for coded in _coded(form.encode())}
    coded |= {each for name in ("utf-16-le", "utf-16-be") for each in _coded(secret.encode(name))}
    coded |= {each for text in _in_base64(raw) for each in _coded(text.encode())} | set(_each(raw))
    return [*written, *apart, *(Spelling(sign, pattern) for sign, pattern in sorted(coded))]


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield what some bytes make of base64, wherever in it they begin: what depends on these bytes alone."""
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        inner = text[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]
        if len(inner) >= _FEWEST:
            yield inner


def _each(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield sign and pattern of some bytes of which each is escaped: in hex with signs between, octal, for HTML."""
    ways = [("%02x", between) for between in (" ", ":", "-", ", ")]
    ways += [("%%%02x", ""), ("\\x%02x", ""), ("\\%03o", ""), ("\\%o", ""), ("\\u%04x", ""), ("0x%02x", ", ")]
    ways += [("&#%d;", ""), ("&#x%02x;", "")]
    for way, between in ways:
        text = between.join(way % byte for byte in data)
        yield text, re.escape(text)
        upper = between.join(re.sub("[0-9a-f]+(?=;?$)", lambda match: match[0].upper(), way % byte) for byte in data)
        yield upper, re.escape(upper)


def _escaped(secret: str) -> str:
    """Return the pattern of a secret whose characters may each be escaped."""
    optional = _MAY_GO if len(secret.strip(_MAY_GO)) > 2 else ""  # else nothing would be left of it
    parts = []
    for sign, run in groupby(secret):
        count = len(list(run))
        may_go = "?" if sign in optional else ""
        if sign == "\\":
            most = count * (_MOST_ESCAPES + 1)
            parts.append(rf"(?:\\{{{count},{most}}}|(?:{'|'.join(_codes(sign))}){{{count}}}){may_go}")
        else:
            parts.append(f"{_one(sign)}{may_go}" * count)
    return "".join(parts)


def _one(sign: str) -> str:
    if sign.isascii() and sign.isalnum():
        return sign
    ways = [re.escape(sign), rf"\\\\{{0,{_MOST_ESCAPES - 1}}}{re.escape(sign)}", *_codes(sign)]
    return f"(?:{'|'.join(ways)})"


def _codes(sign: str) -> Iterator[str]:
    """Yield patterns of what stands for a character in URLs, HTML, JSON and Python; each begins with a literal."""
    point = ord(sign)
    yield "".join(f"%(?:25)*{_hex(f'{byte:02x}')}" for byte in sign.encode())
    yield "".join(rf"\\\\{{0,{_MOST_ESCAPES - 1}}}x{_hex(f'{byte:02x}')}" for byte in sign.encode())
    pairs = sign.encode("utf-16-be").hex()
    yield "".join(
        rf"\\\\{{0,{_MOST_ESCAPES - 1}}}u{_hex(pairs[place : place + 4])}" for place in range(0, len(pairs), 4)
    )
    yield rf"\\\\{{0,{_MOST_ESCAPES - 1}}}(?:U{_hex(f'{point:08x}')}|x{_hex(f'{point:02x}')})"
    code = f"#0*{point}|#[xX]0*{_hex(f'{point:x}')}"
    names = [codepoint2name.get(point, ""), "apos" if sign == "'" else ""]
    yield f"&(?:amp;)*(?:{'|'.join((code, *filter(None, names)))});"
    if sign == " ":
        yield from (r"\+", "\xa0", "&(?:amp;)*nbsp;")


def _hex(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _coded(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield sign and pattern of some bytes in hex and in base64.

    Within longer base64 only the characters that depend on these bytes alone can be recognised; those that depend on
    them in part are masked with them.
    """
    yield data.hex(), data.hex()
    yield data.hex().upper(), data.hex().upper()
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        first, last = -(-shift * 8 // 6), (shift + len(data)) * 8 // 6
        before, after = "[A-Za-z0-9+/_-]?" if shift else "", "[A-Za-z0-9+/_-]?={0,2}" if last < len(text) else ""
        for inner in {text[first:last], text[first:last].replace("+", "-").replace("/", "_")}:
            if len(inner) >= _FEWEST:
                yield inner, before + re.escape(inner) + after
