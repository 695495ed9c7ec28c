"""Redaction finds secrets in the spellings in which they leak, and nothing else."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1nb._plain import without_control
from k1nb.secrets import MASK, Redactor, weakness

patient = settings(deadline=None, max_examples=30)
printable = st.characters(min_codepoint=32, max_codepoint=0x2FFF).filter(str.isprintable)
secret_values = st.text(printable, min_size=6, max_size=40).filter(lambda s: s.strip() == s and len(set(s)) > 3)
texts = st.text(st.sampled_from("abz 019\n\r\t\"\\'<>&%+=/|│\x1b[m{}é"), max_size=30)

SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "json": json.dumps,
    "json-unicode": lambda s: json.dumps(s, ensure_ascii=False),
    "json-twice": lambda s: json.dumps(json.dumps(s)),
    "json-thrice": lambda s: json.dumps(json.dumps({"a": json.dumps([s])})),
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda s: repr(s.encode()),
    "url": lambda s: quote(s, safe=""),
    "url-path": quote,
    "url-form": quote_plus,
    "url-lower": lambda s: "".join(c if c.isascii() and c.isalnum() else quote(c, safe="").lower() for c in s),
    "url-twice": lambda s: quote(quote(s)),
    "html": html.escape,
    "html-text": lambda s: html.escape(s, quote=False),
    "html-twice": lambda s: html.escape(html.escape(s)),
    "hex": lambda s: s.encode().hex(),
    "hex-upper": lambda s: s.encode().hex().upper(),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64-url": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64-lines": lambda s: base64.encodebytes(b"x" * 50 + s.encode() * 5).decode(),
    "coloured": lambda s: "\x1b[31m" + "\x1b[1;32m".join(s) + "\x1b[39m",
    "coloured-json": lambda s: json.dumps("\x1b[1;32m".join(s)),
    "folded": lambda s: "\n".join(s[n : n + 5] for n in range(0, len(s), 5)),
    "framed": lambda s: " │\r\n│ ".join(s[n : n + 5] for n in range(0, len(s), 5)),
    "list": lambda s: json.dumps([s[:3], s[3:]]),
    "upper": str.upper,
    "lower": str.lower,
    "url-all": lambda s: "".join(f"%{byte:02X}" for byte in s.encode()),
    "bytes-all": lambda s: "".join(f"\\x{byte:02x}" for byte in s.encode()),
    "octal-all": lambda s: "".join(f"\\{byte:03o}" for byte in s.encode()),
    "html-all": lambda s: "".join(f"&#{byte};" for byte in s.encode()),
    "hex-pairs": lambda s: s.encode().hex(" "),
    "hex-colons": lambda s: s.encode().hex(":").upper(),
    "apart": " ".join,
    "base64-twice": lambda s: base64.b64encode(base64.b64encode(s.encode())).decode(),
    "utf-16": lambda s: "\0".join(s) + "\0",
    "utf-16-base64": lambda s: base64.b64encode(s.encode("utf-16")).decode(),
    "hidden": lambda s: s[:2] + "\u200b\xad" + s[2:4] + "&shy;" + s[4:],
    "quoted": lambda s: f"\n> {s[:4]}\n> {s[4:]}",
    "commented": lambda s: "<!-- a > b --><i title='>'>".join(html.escape(c) for c in s),
    "tagged": lambda s: "</span><span class='a'>".join(html.escape(c) for c in s),
}

BREAKS: dict[str, Callable[[list[str]], str]] = {
    "difference": lambda lines: "\n".join(f"+{line}" for line in lines),
    "coloured difference": lambda lines: "\n".join(f"\x1b[32m+{line}\x1b[m" for line in lines),
    "levels": lambda lines: "\n".join(f"INFO {line}" for line in lines),
    "moments": lambda lines: "\n".join(
        f"2026-11-26T10:00:0{n % 10}.5Z [warning] {line}" for n, line in enumerate(lines)
    ),
    "Python's log": lambda lines: "\n".join(f"INFO:root:{line}" for line in lines),
    "a device's log": lambda lines: "\n".join(f"I ({n * 7}) main.c: {line}" for n, line in enumerate(lines)),
    "numbers": lambda lines: "\n".join(f"{n:6}\t{line}" for n, line in enumerate(lines, 8)),
    "grep": lambda lines: "\n".join(f"{n}:{line}" for n, line in enumerate(lines, 8)),
    "mail": "=\r\n".join,
    "shell": "\\\n".join,
    "name and value": lambda lines: json.dumps({lines[0]: "".join(lines[1:])}, indent=1),
    "within JSON": lambda lines: json.dumps(json.dumps({lines[0]: "".join(lines[1:])})),
}
EACH: dict[str, Callable[[str], str]] = {
    "url-twice": lambda s: quote("".join(f"%{ord(c):02X}" for c in s)),
    "url-thrice": lambda s: quote(quote("".join(f"%{ord(c):02x}" for c in s))),
    "html-escaped": lambda s: html.escape("".join(f"&#{ord(c)};" for c in s)),
    "html-hex-escaped": lambda s: html.escape(html.escape("".join(f"&#x{ord(c):X};" for c in s))),
    "html-open": lambda s: "".join(f"&#x{ord(c):04x}" for c in s),
    "html-open-decimal": lambda s: "".join(f"&#{ord(c)}" for c in s),
    "json-twice": lambda s: json.dumps("".join(f"\\u{ord(c):04x}" for c in s)),
    "json-thrice": lambda s: json.dumps(json.dumps("".join(f"\\u{ord(c):04X}" for c in s))),
    "bytes-twice": lambda s: json.dumps("".join(f"\\x{ord(c):02x}" for c in s)),
    "octal-twice": lambda s: json.dumps("".join(f"\\{ord(c):03o}" for c in s)),
    "javascript": lambda s: "".join(f"\\u{{{ord(c):x}}}" for c in s),
}
SAMPLE = "Tr0ub4dor-Zq9xKw7LmP"
INVISIBLE = (
    *("\x1b]8;;http://h/\x1b\\", "\x1b]8;;http://h/\x07", "\x1b]0;title\x07", "\x9d0;title\x9c"),
    *(
        "\x1bP1$r0m\x1b\\",
        "\x1b_a\x1b\\",
        "\x1b^p\x1b\\",
        "\x1bXs\x1b\\",
        "\x90d\x9c",
        "\x1bPtmux;\x1b\x1b]8;;h\x07\x1b\\",
    ),
    *(
        "\x1b7",
        "\x1b8",
        "\x1b=",
        "\x1bc",
        "\x1b(B",
        "\x1b)0",
        "\x1b(B\x1b[m",
        "\x1b[1;31m",
        "\x1b[?25l",
        "\x1b[0 q",
        "\x9b31m",
    ),
    *("\x00", "\x07", "\x0e", "\x0f", "\x7f", "\x0b", "\x0c", "\x85", "\x18", "\x80"),
    *(
        "\xad",
        "\u034f",
        "\u061c",
        "\u115f",
        "\u17b4",
        "\u180e",
        "\u200b",
        "\u200f",
        "\u202e",
        "\u2060",
        "\u2064",
        "\u2069",
    ),
    *("\u206a", "\u3164", "\ufe00", "\ufe0f", "\ufeff", "\uffa0", "\U0001d173", "\U000e0001", "\U000e0100"),
)
strewn = st.lists(st.tuples(st.integers(0, 20), st.sampled_from(INVISIBLE)), min_size=1, max_size=12)


def strew(secret: str, things: list[tuple[int, str]]) -> str:
    """Return a secret with things put before, between and after its characters."""
    signs = [*secret, ""]
    for place, thing in things:
        signs[min(place, len(secret))] = thing + signs[min(place, len(secret))]
    return "".join(signs)


@settings(deadline=None, max_examples=60)
@given(secret_values, strewn, st.sampled_from((str, json.dumps, ascii, lambda text: json.dumps(json.dumps(text)))))
def test_nothing_that_shows_nothing_hides_a_secret(
    secret: str, things: list[tuple[int, str]], write: Callable[[str], str]
) -> None:
    """Whatever shows nothing is put wherever, it is masked, as it is and as JSON and Python write it."""
    redact = Redactor([secret])
    clean = redact(f"a {write(strew(secret, things))} z")
    assert MASK in clean
    assert redact.found(without_control(clean)) == 0


@settings(deadline=None, max_examples=60)
@given(st.text(st.sampled_from(f"{SAMPLE}\x1b\x9b\x9d\x90\x9c\x07\x18\r\u200b\u202e[]P(0;m\\")), strewn)
def test_what_is_stripped_for_display_was_looked_through(around: str, things: list[tuple[int, str]]) -> None:
    """Nothing that is left where sequences are taken out holds a secret, in whatever disorder they are."""
    redact = Redactor([SAMPLE])
    clean = redact(f"{around}{strew(SAMPLE, things)}{around}")
    assert SAMPLE not in without_control(clean)


@pytest.mark.parametrize("thing", INVISIBLE, ids=ascii)
def test_each_thing_that_shows_nothing_is_looked_through(thing: str) -> None:
    """Once in the middle, and between every two characters, all of it is masked and what is around stays."""
    redact = Redactor([SAMPLE])
    assert redact(f"a {thing.join((SAMPLE[:9], SAMPLE[9:]))} z") == f"a {MASK} z"
    assert redact(f"a {thing.join(SAMPLE)} z") == f"a {MASK} z"


def test_a_secret_in_a_title_is_found() -> None:
    """Words that a terminal keeps to itself are looked at too, also with something within."""
    for hidden in (SAMPLE, "\x1b[m".join(SAMPLE), "\u200b".join(SAMPLE), "\0".join(SAMPLE)):
        assert SAMPLE not in without_control(Redactor([SAMPLE])(f"\x1b]0;{hidden}\x07").replace("\x1b]0;", ""))
        assert Redactor([SAMPLE]).found(f"\x1b]0;{hidden}\x07") == 1


@pytest.mark.parametrize("way", BREAKS)
@pytest.mark.parametrize("secret", [SAMPLE, "c4nary-Bird<&9/7>-and-a-long-end"])
def test_no_usual_break_hides_a_secret(way: str, secret: str) -> None:
    """With what logs and differences put before lines, mails after them, and JSON between texts, it is masked."""
    redact = Redactor([secret])
    for size in (4, 6, 9):
        lines = [secret[n : n + size] for n in range(0, len(secret), size)]
        clean = redact(f"before\n{BREAKS[way](lines)}\nafter")
        assert MASK in clean
        assert clean.startswith("before\n")
        assert clean.endswith("\nafter")
        assert not any(line in clean for line in lines[1:-1])


@pytest.mark.parametrize("way", EACH)
@patient
@given(
    st.text(st.sampled_from("!#$()*+,-./0123456789:;=?@ABCXYZ[]^_`abcxyz{|}~"), min_size=6, max_size=30).filter(
        lambda s: len(set(s)) > 3
    )
)
def test_no_code_of_each_character_hides_a_secret(way: str, secret: str) -> None:
    """Where every character is a code, several times too, without its end too, all of it is masked."""
    assert Redactor([secret])(f"a {EACH[way](secret)} z").strip('az "\\') == MASK


@pytest.mark.parametrize(
    "text",
    [
        "C:\\new\\table\\x41\\u0041 100%41 &#65; &#8203; \\033[31m",
        "+Tr0ub4dor\n-Zq9xKw7Lm\nINFO -Zq9xKw7LmQ",
        "INFO Tr0ub4dor\nINFO and -Zq9xKw7LmP",
        '{"Tr0ub4dor": "x", "-Zq9xKw7LmP": 1}',
        "\x1b]8;;http://h/\x07Tr0ub4dor\x1b]8;;\x07, \x1b(B-Zq9xKw7LmP",
        "a\ufe0f 👩\u200d🔬 \x1b]0;Tr0ub4dor\x07 -Zq9xKw7LmP",
    ],
)
def test_text_with_sequences_and_codes_is_left_alone(text: str) -> None:
    """Halves of a secret that stand apart, codes and sequences are not changed by a character."""
    assert Redactor([SAMPLE])(text) == text


@pytest.mark.parametrize("way", SPELLINGS)
@patient
@given(secret_values, texts, texts)
def test_no_usual_spelling_survives(way: str, secret: str, before: str, after: str) -> None:
    """Whatever stands around it, each usual spelling of a secret is masked, and masking again changes nothing."""
    spelling = SPELLINGS[way](secret)
    redact = Redactor([secret])
    # What is around it may make an escape of its first character, as a backslash does: apart from that anything goes.
    clean = redact(f"{before} {spelling} {after}")
    assert MASK in clean
    assert spelling.strip("\"'b") not in clean
    assert redact(clean) == clean
    assert redact.found(clean) == 0


@patient
@given(secret_values, st.binary(max_size=7), st.binary(max_size=7))
def test_base64_of_a_longer_text_shows_no_secret(secret: str, before: bytes, after: bytes) -> None:
    """A secret inside a longer base64 text cannot be decoded from what is left."""
    for code in (base64.b64encode, base64.urlsafe_b64encode):
        text = code(before + secret.encode() + after).decode()
        clean = Redactor([secret])(text)
        assert MASK in clean
        assert len(clean) - len(MASK) <= len(text) - len(secret.encode()) * 8 // 6


@patient
@given(st.lists(secret_values, min_size=1, max_size=3, unique=True), texts, st.data())
def test_a_secret_that_is_split_is_masked_across_the_pieces(
    secrets: list[str], around: str, data: st.DataObject
) -> None:
    """However a text is cut, no secret is left when the pieces are put together, and as many pieces remain."""
    whole = around + "".join(f"{secret} {around}" for secret in secrets)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    redact = Redactor(secrets)
    clean = redact.across(pieces)
    assert len(clean) == len(pieces)
    assert "".join(clean) == redact(whole)
    assert not [secret for secret in secrets if secret in "".join(clean)]


@patient
@given(secret_values, st.lists(st.text("ab \n", min_size=1000, max_size=3000), max_size=6), st.data())
def test_a_stream_is_masked_as_its_whole(secret: str, around: list[str], data: st.DataObject) -> None:
    """A text that comes in pieces of any size is masked as if it had come at once."""
    whole = secret.join(around)
    redact = Redactor([secret])
    stream, said, at = redact.stream(), "", 0
    while at < len(whole):
        size = data.draw(st.integers(1, 4000))
        said += stream.feed(whole[at : at + size])
        at += size
    assert said + stream.close() == redact(whole)


@patient
@given(st.text(), st.sampled_from(["c0rrect-horse", 'sw0rd<fish&"7>', "päss wört 42", "5up3r|5ecret"]))
def test_text_without_secrets_is_left_alone(text: str, secret: str) -> None:
    """What holds no secret is not changed by a character, be one known or not."""
    assert Redactor([])(text) == text
    assert Redactor([secret])(text) == text
    assert Redactor([secret])(text + secret[:-2]) == text + secret[:-2]


def test_found_counts_what_was_masked() -> None:
    """The number of masked places is known, the secret never shown."""
    redact = Redactor(["hunter2-hunter2"])
    assert redact.found("hunter2-hunter2 and hunter2-hunter2") == 2
    assert redact.holds(b"\xff\0hunter2-hunter2")
    assert not redact.holds(b"\xff\0hunter2-hunter")
    assert "hunter2" not in repr(redact)


def test_a_mask_that_would_begin_a_secret_becomes_none() -> None:
    """Where a mask and what follows it spell another secret, that is masked too."""
    redact = Redactor(["first-one-1", "]second-2"])
    assert redact("first-one-1second-2") == MASK


@pytest.mark.parametrize(
    "piece",
    [
        "\\",
        '"',
        "<a",
        "<!--",
        '<a "',
        "\n> ",
        "\x1b[",
        " \r",
        '\\n",',
        "\x1b]",
        "\x9d",
        "\x1b[0",
        "\x90a",
        "%25",
        "&amp;",
        "\\u0041",
        '"  ',
        "12:0",
        "\n1:",
        "INFO ",
    ],
    ids=ascii,
)
def test_no_text_takes_long(piece: str) -> None:
    """A text made to be slow takes a moment, with a secret in it too."""
    secret, begun = 'a\\"7>sw0rd<fish&\\', time.monotonic()
    assert Redactor([secret])(f"{piece * 200_000}  {secret}").endswith(MASK)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("", "6 or more"),
        ("a1b2c", "6 or more"),
        ("password", "16 or more"),
        ("PASSWORD", "16 or more"),
        ("wall-secret", "16 or more"),
        ("correct.horse", "16 or more"),
        ("123456789012345", "16 or more"),
        ("2026-03-01", "16 or more"),
        ("192.168.1.100", "16 or more"),
        ("sha256", "ordinary records"),
        ("ESP32-S3", "ordinary records"),
        ("firmware-ci-cd-pipeline", "ordinary records"),
        ("Device_Health_Check", "ordinary records"),
        ("github_webhook_secret", "ordinary records"),
        ("line1\nline2", "printable"),
    ],
)
def test_a_value_that_ordinary_text_has_is_no_secret(value: str, wanted: str) -> None:
    """Short values, words, numbers, dates, addresses and names of ours are refused, and not repeated."""
    said = weakness(value, ["github_webhook_secret"]) or ""
    assert wanted in said
    assert not value or value not in said


@pytest.mark.parametrize("value", ["s3cret", "hunter2", "aB3$xQ", "correct-horse-battery", "8f14e45f-ceea-467f-a0e6"])
def test_a_value_that_nothing_else_has_is_a_secret(value: str) -> None:
    """Letters with digits, and anything long, are fit to be secrets."""
    assert weakness(value) is None
