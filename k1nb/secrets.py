"""Secrets: found in settings, kept out of everything that is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from k1nb._spellings import Span, bare, spellings, views
from k1nb.paths import share

MASK = "[redacted]"
SHORTEST = 6
"""Characters below which a value is no secret."""
PLAIN = 16
"""Characters below which a secret has to have letters and digits."""
_HELD_BACK = 4096
"""Characters of a stream that are kept until more of it has come: longer than any spelling of most secrets."""
_TERMS = (
    *(
        "application/vnd.k1nb.run+json",
        "base64",
        "esp32-s3-devkitc-1",
        "execution_count",
        "http/1.1",
        "injected-parameters",
    ),
    *("ipv4", "k1-node1", "k1nb-sample", "python3.11", "sha256", "sha512", "utf-16", "x86-64", "arm64", "aarch64"),
)
"""Names with digits, and long ones, that ordinary records are full of."""


class Redactor:
    """Masks every known secret in text, however it is spelt: see `k1nb._spellings`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if secret}
        known |= {less for secret in known if len(less := bare(secret)) >= SHORTEST}
        self._spellings = [spelling for secret in sorted(known) for spelling in spellings(secret)]
        self._held_back = max([_HELD_BACK, *(32 * len(secret) for secret in known)])
        self.numeric = any(re.fullmatch(r"[0-9.eE+-]+", secret) for secret in known)
        """A number can spell a secret."""

    def __repr__(self) -> str:
        """Say how many spellings are known, never which."""
        return f"Redactor({len(self._spellings)} spellings)"

    def __call__(self, text: str) -> str:
        """Return `text` with every secret masked."""
        return self.across((text,))[0]

    def across(self, texts: Sequence[str]) -> list[str]:
        """Return texts that follow each other masked, also where a secret goes on from one to the next.

        The mask of such a one is where it begins.
        """
        found = list(texts)
        while places := self.places("".join(found)):
            found = list(_replaced(found, places))
        return found

    def found(self, text: str) -> int:
        """Count the places in `text` that would be masked."""
        return len(self.places(text))

    def holds(self, data: bytes) -> bool:
        """Tell whether some bytes, of whatever file, hold a secret."""
        return bool(self.places(data.decode("utf-8", "replace")))

    def stream(self) -> Stream:
        """Return what masks a text that comes in pieces."""
        return Stream(self, self._held_back)

    def places(self, text: str) -> list[Span]:
        """Return where the masks of a text belong: over each secret, and over a mask that one overlaps."""
        spans = [
            view.place(*span)
            for view in views(text)
            for spelling in self._spellings
            for span in spelling.spans(view.text)
        ]
        if not spans:
            return []
        marks = [match.span() for match in re.finditer(re.escape(MASK), text)]
        return [place for place in _merged([*spans, *marks]) if place not in marks]


class Stream:
    """Masks a text that comes in pieces; the end of what has come is held back until it is known how it goes on."""

    def __init__(self, redact: Redactor, held_back: int) -> None:
        self._redact = redact
        self._held_back = held_back
        self._rest = ""

    def feed(self, text: str) -> str:
        """Take the next piece, and return what can be told by now, masked."""
        whole = self._rest + text
        cut = len(whole) - self._held_back
        if cut <= 0:
            self._rest = whole
            return ""
        for start, end in self._redact.places(whole):
            if start < cut < end:
                cut = start
        self._rest = whole[cut:]
        return self._redact(whole[:cut])

    def close(self) -> str:
        """Return what was held back, masked."""
        rest, self._rest = self._rest, ""
        return self._redact(rest)


def _merged(spans: list[Span]) -> Iterator[Span]:
    """Yield the spans in order, those that overlap as one."""
    first, *others = sorted(spans)
    start, end = first
    for following, until in others:
        if following >= end:
            yield start, end
            start = following
        end = max(end, until)
    yield start, end


def _replaced(texts: Iterable[str], places: Sequence[Span]) -> Iterator[str]:
    """Yield texts that follow each other with a mask in these places, whole in the text in which it begins."""
    begin = 0
    for text in texts:
        end, kept, at = begin + len(text), [], begin
        for start, until in places:
            if start < end and until > begin:
                kept += [text[at - begin : max(start - begin, 0)], MASK if start >= begin else ""]
                at = min(until, end)
        yield "".join((*kept, text[at - begin :]))
        begin = end


def weakness(value: str, names: Iterable[str] = ()) -> str | None:
    """Say what is wrong with a value as a secret, in words that don't tell it; None where nothing is.

    A short value, a word or a number would be masked wherever ordinary text has it. `names` are further ones to refuse.
    """
    if len(value) < SHORTEST:
        return f"a secret of {SHORTEST} or more characters is wanted"
    if not value.isprintable():
        return "a secret of printable characters is wanted"
    mixed = any(sign.isalpha() for sign in value) and any(sign.isdigit() for sign in value)
    if len(value) < PLAIN and not mixed:
        return f"a secret of {PLAIN} or more characters is wanted, or one with letters and digits among them"
    if any(_flat(value) in _flat(name) for name in (*_TERMS, *_shipped(), *names)):
        return "it is a name that ordinary records hold; a value that nobody else writes is wanted"
    return None


def _flat(name: str) -> str:
    return re.sub(r"[-_. /]", "", name.casefold())


def _shipped() -> Iterator[str]:
    """Yield the names of what comes with k1nb."""
    for folder in (share("data") / "workflows", share("data") / "tasks", share("notebooks")):
        yield from (file.stem for file in folder.glob("*.*"))
