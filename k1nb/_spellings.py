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

from k1nb._plain import CONTROL, IGNORABLE, SEQUENCE, UNSEEN

_SINGLE = re.compile(f"[{CONTROL}]")
_SEQUENCE = re.compile(f"[{CONTROL}]{SEQUENCE}")
_UNSEEN = re.compile(f"[{CONTROL}]{UNSEEN}")
_IGNORABLE = re.compile(IGNORABLE)
_STRINGS = re.compile("\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f]")
_LONE = re.compile(r"\x1b(?!\[)")
_FRAMES = " \t\r|│┃║"
"""What a terminal puts at both ends of a line when it folds a long word, within a table too."""
_QUOTED = re.compile(r"""\\{1,16}+(?:[nr]|["'][,:]\s*+\\*+["'])|["'][,:]\s*+\\*+["']""")
"""Line ends as JSON and repr write them, and what stands between the texts of lists and the like."""
_TAG = re.compile(
    r"""<!--(?:(?!<!--|-->).)*-->|</?[a-zA-Z!](?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>|</?[a-zA-Z!][^<>]*>""", re.DOTALL
)
"""A comment, a tag with the signs in its attributes, and what only looks like one."""
_HIDDEN = re.compile(
    r"&(?:amp;)*+(?:shy|zwn?j|ZeroWidthSpace|NoBreak|#173|#847|#820[3-7]|#8288|#6502[4-9]|#6503[0-9]"
    r"|#[xX](?:[aA][dD]|34[fF]|200[b-fB-F]|2060|[fF][eE]0[0-9a-fA-F]|[fF][eE][fF][fF]));?"
)
"""What shows nothing, as HTML writes it."""
_CODE = re.compile(
    r"[%&\\](?:(?<=%)(?:25)*+(?P<url>[0-7][0-9a-fA-F])"
    r"|(?<=&)(?:amp;|#0*38;|#[xX]0*26;)*+#(?:0*+(?P<decimal>[0-9]{2,6})(?![0-9])"
    r"|[xX]0*+(?P<html>[0-9a-fA-F]{2,5})(?![0-9a-fA-F]));?"
    r"|(?<=\\)(?P<more>\\{0,15}+)(?:(?:u001[bB]|x1[bB]|033|e)(?P<end>(?P=more){2}\\\\)"
    r"|u(?P<pair>[dD][89abAB][0-9a-fA-F]{2}(?P=more)\\u[dD][c-fC-F][0-9a-fA-F]{2})|(?P<escape>e(?=[]\[(P]))"
    r"|(?:u(?P<four>[0-9a-fA-F]{4})|x(?P<two>[0-9a-fA-F]{2})|U(?P<eight>000[0-9a-fA-F]{5})"
    r"|u\{0*(?P<braced>[0-9a-fA-F]{2,5})\})|(?P<octal>[01][0-7]{2}|0(?![0-7]))|(?P<short>[abfv])))"
)
"""A character as URLs, HTML, JSON, Python and shells may write it, several times too."""
_FIXED = {"end": "\x9c", "escape": "\x1b", "short": "\x07"}
"""What stands for some codes here: something that shows as little."""
_ALONE = re.compile(rf"[!#$(-;=?-\[\]-~{CONTROL}]|{IGNORABLE}")
"""Characters that are read where they are codes: what shows nothing, and what makes neither a tag nor a code."""
_LOGGED = (
    r"(?:[ \t]*+(?:[\[(]?(?:\d+[-:.T]\d[\d:.,TZ+-]*+(?=[]) \t|])|\d+(?=[ \t]*[:|│]|\t)"
    r"|(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b(?::[\w.]+(?=:))?)[\])]?"
    r"|[EWIDV] \(\d+\) [\w.-]+(?=:))[ \t]*+[:|│]?[ \t]*+)++"
)
"""Moments, levels, numbers and names, as logs have them before each line."""
_MARK = r"[ \t]*+(?:(?:[>#*;]|//|--)++ ?|[+-] ?)"
"""What quotations, comments, lists and differences have before each line."""
_PREFIXES = [
    (re.compile(rf"[\n\r][ \t|│┃║]*+{prefix}", re.IGNORECASE), re.compile(prefix, re.IGNORECASE))
    for prefix in (_LOGGED, _MARK)
]
"""What tells fast that there is such a prefix, and what fits to it."""
_GOES_ON = re.compile(r"[=\\](?=\r?\n)")
"""What mails and shells put at the end of a line that goes on."""
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

    def _place(self, index: int) -> Span:
        """Return which characters of the inner view this one stands for."""
        here, there = self._places
        piece = bisect_right(here, index) - 1
        start = there[piece] + index - here[piece]
        return start, start + 1

    def place(self, start: int, end: int) -> Span:
        """Return where in the text itself these characters of the view are."""
        if self._inner is None:
            return start, end
        return self._inner.place(self._place(start)[0], self._place(end - 1)[1])

    def without(self, noise: re.Pattern[str]) -> View:
        """Return this view without what matches."""
        text = noise.sub("", self.text)
        return self if len(text) == len(self.text) else View(text, lambda: list(_between(noise, self.text)), self)

    def unfolded(self, prefix: re.Pattern[str] | None = None) -> View:
        """Return this view with its lines joined, frames, blanks and a prefix at their ends left out."""
        if "\n" not in self.text and "\r" not in self.text:
            return self
        lines = self.text.replace("\r", "\n").split("\n")
        if prefix is None:
            text = "".join([line.strip(_FRAMES) for line in lines])
            return View(text, lambda: list(_within(lines)), self)
        spans = list(_within(lines, prefix))
        return View("".join([self.text[start:end] for start, end in spans]), lambda: spans, self)

    def decoded(self) -> View:
        """Return this view with the characters that codes stand for, where they are no usual spelling."""
        text = _CODE.sub(_character, self.text)
        return self if len(text) == len(self.text) else _Decoded(text, None, self)


class _Decoded(View):
    """A view in which some characters stand for more of them."""

    @cached_property
    def _codes(self) -> tuple[list[int], list[Span]]:
        """Return where the characters are in this view, and their codes in the inner one."""
        found = _CODE.finditer(self._inner.text) if self._inner else ()
        codes = [match.span() for match in found if _character(match) != match[0]]
        less = accumulate((end - start - 1 for start, end in codes), initial=0)
        return [start - gone for (start, _), gone in zip(codes, less, strict=False)], codes

    def _place(self, index: int) -> Span:
        here, there = self._codes
        number = bisect_right(here, index) - 1
        if number < 0:
            return index, index + 1
        if here[number] == index:
            return there[number]
        start = there[number][1] + index - here[number] - 1
        return start, start + 1


def _character(code: re.Match[str]) -> str:
    """Return what a code is read as: itself where it is a usual spelling."""
    kind = code.lastgroup or ""
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == "pair":
        character = bytes.fromhex(code[kind][:4] + code[kind][-4:]).decode("utf-16-be")
    else:
        character = chr(int(code[kind], {"decimal": 10, "octal": 8}.get(kind, 16)) % 0x110000)
    return character if _ALONE.match(character) else code[0]


def bare(secret: str) -> str:
    """Return a secret as it is where only what shows is looked at, and codes are read."""
    return _IGNORABLE.sub("", _UNSEEN.sub("", View(secret).decoded().text))


def _between(noise: re.Pattern[str], text: str) -> Iterator[Span]:
    start = 0
    for match in noise.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)


def _within(lines: list[str], prefix: re.Pattern[str] | None = None) -> Iterator[Span]:
    start = 0
    for line in lines:
        first, last = len(line) - len(line.lstrip(_FRAMES)), len(line.rstrip(_FRAMES))
        if prefix and (match := prefix.match(line, first, last)):
            first = match.end()
        yield start + first, start + last
        start += len(line) + 1


def views(text: str) -> Iterator[View]:
    """Yield how a text is looked at: without folds, what shows nothing, prefixes, codes, quoting, tags."""
    whole = View(text)
    yield whole.unfolded()
    for plain in _shown(whole):
        view = plain.unfolded()
        if plain is not whole:
            yield view
        yield from _lines(plain, view)
        yield from _read(view)


def _shown(whole: View) -> Iterator[View]:
    """Yield a text without what shows nothing, as it is where all is shown.

    The words of a terminal's strings are left in one, and in another what only begins like a sequence.
    """
    text, seen = whole.text, set[str]()
    noises = [_SINGLE] if _LONE.search(text) else []
    noises += [_SEQUENCE] if _STRINGS.search(text) else []
    noises += [_UNSEEN]
    for noise in noises:
        view = whole.without(noise)
        view = view if text.isascii() else view.without(_IGNORABLE)
        if view.text not in seen:
            seen.add(view.text)
            yield view


def _lines(plain: View, unfolded: View) -> Iterator[View]:
    """Yield a text without what its lines begin with, and without what they end with, where there is such."""
    if plain is unfolded:
        return
    for sign, prefix in _PREFIXES:
        if sign.search(plain.text):
            yield plain.unfolded(prefix)
    whole = plain.without(_GOES_ON)
    if whole is not plain:
        yield whole.unfolded()


def _read(view: View) -> Iterator[View]:
    """Yield a text with its codes read, and without what is hidden, quotes and tags; each step is one view more."""
    decoded = view.decoded() if any(sign in view.text for sign in "%&\\") else view
    if decoded is not view:
        for view in _shown(decoded):
            yield view
    for noise in (_HIDDEN, _QUOTED, _TAG):
        before, view = view, view.without(noise)
        if view is not before:
            yield view


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
    yield "".join(f"={_hex(f'{byte:02x}')}" for byte in sign.encode())
    pairs = sign.encode("utf-16-be").hex()
    yield "".join(
        rf"\\\\{{0,{_MOST_ESCAPES - 1}}}u{_hex(pairs[place : place + 4])}" for place in range(0, len(pairs), 4)
    )
    yield rf"\\\\{{0,{_MOST_ESCAPES - 1}}}(?:U{_hex(f'{point:08x}')}|x{_hex(f'{point:02x}')})"
    yield "".join(rf"\\\\{{0,{_MOST_ESCAPES - 1}}}{byte:03o}" for byte in sign.encode())
    yield rf"\\\\{{0,{_MOST_ESCAPES - 1}}}u\{{0*{_hex(f'{point:x}')}\}}"
    code = rf"#0*{point}(?:;|(?![0-9]))|#[xX]0*{_hex(f'{point:x}')}(?:;|(?![0-9a-fA-F]))"
    names = [codepoint2name.get(point, ""), "apos" if sign == "'" else ""]
    yield f"&(?:amp;)*(?:{'|'.join((code, *(f'{name};' for name in names if name)))})"
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
