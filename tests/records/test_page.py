"""Records as pages: the verdict first, and nothing in them that runs or loads."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import nbformat
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from k1nb.checks import Check, Status
from k1nb.config import Settings, load
from k1nb.records import Archive, checks_html, record_page, show_records, write_archive_page, write_pages
from k1nb.records._archive import record_in
from k1nb.records._markup import markdown, sanitized, terminal
from tests.records.samples import NOW, heap, notebook, sealed, shown

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)><a href='javascript:alert(1)'>x</a>"
    "<iframe src='https://example.org'></iframe><link rel=stylesheet href='https://example.org/a.css'><base href='/'>"
    "<meta http-equiv=refresh content='0;url=https://example.org'><style>*{display:none}</style>"
    '<div style="background:url(https://example.org/x);position:fixed;top:0" class=verdict id=x>text</div>'
    "<img src='https://example.org/p.png'><object data='https://example.org'></object><form action=/x><input></form>"
)
LOADS = ("src", "data", "srcset", "action", "background", "poster", "formaction", "ping", "manifest")


class Tags(HTMLParser):
    """Collects every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.found.append((tag, dict(attrs)))


def assert_harmless(html: str) -> None:
    """Hold that HTML has nothing that runs, loads, submits or leaves its place."""
    for tag, attributes in Tags(html).found:
        assert tag not in ("script", "iframe", "object", "embed", "link", "base", "form", "frame"), tag
        assert not any(name.startswith("on") for name in attributes)
        for name in LOADS:
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
        assert not re.search(r"url|position|@import|expression", attributes.get("style") or "")
        assert not re.match(r"\s*(javascript|data|vbscript):", attributes.get("href") or "", re.IGNORECASE)


def test_the_verdict_comes_first_and_why(settings: Settings) -> None:
    """Verdict, reason, hint and the worst check stand before everything else; the page forbids scripts and network."""
    record = sealed(settings, heap(), heap(Status.FAIL, 12_288), executed=notebook(shown(plain="printed")))
    page = record_page(settings, record)
    body = page.partition("<body>")[2]
    assert (
        body.index("<strong>FAIL</strong>")
        < body.index("12,288 B free")
        < body.index("151,552 B")
        < body.index("printed")
    )
    assert "look at <code>its</code> serial output" in body
    assert re.search(r"Content-Security-Policy\" content=\"default-src 'none'; img-src data:;", page)
    assert f"k1nb records verify {record.id}" in page
    assert '<details><summary>cell 2: 1 line</summary><pre class="code">' in page


def test_a_cell_says_how_long_it_took_or_that_it_did_not_run(settings: Settings) -> None:
    """Where a run has told how long its cells took, one without a time did not run; else nothing is said."""
    for took, said in (((None, 0.52), "1 line, 0.5 s"), ((None, None), "1 line, not run"), ((), "1 line")):
        page = record_page(settings, sealed(settings, heap(), cell_seconds=took, executed=notebook()))
        assert f"<summary>cell 2: {said}</summary>" in page


def test_every_kind_of_output_is_shown(settings: Settings) -> None:
    """Text, HTML, figures as pictures, Markdown, streams and coloured tracebacks; a script's output is only named."""
    new = nbformat.v4.new_output
    outputs = [
        new("stream", name="stderr", text="50 %\r100 %\n"),
        new("error", ename="ValueError", evalue="no", traceback=["\x1b[31mValueError\x1b[0m: <b>"]),
        shown(svg="<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", plain="a figure"),
        shown(png="iVBORw0KGgo=", plain="a picture"),
        shown(png="<script>", plain="no picture"),
        shown(html="<table><tr><td style='color:#fff;position:fixed'>a cell</td></tr></table>"), shown(js="alert(1)"),
    ]  # fmt: skip
    page = record_page(settings, sealed(settings, heap(), executed=notebook(*outputs, text="**bold** <i>raw</i>")))
    for text in (
        '<pre class="stderr">100 %', '<span class="c1">ValueError</span>', "&lt;b&gt;", 'alt="a figure"',
        'src="data:image/png;base64,iVBORw0KGgo=" alt="a picture"', "no picture",
        '<td style="color:#fff;">a cell</td>',
        "application/javascript", "<strong>bold</strong>", "&lt;i&gt;raw",
    ):  # fmt: skip
        assert text in page, text
    assert_harmless(page)


def test_hostile_output_can_do_nothing(settings: Settings) -> None:
    """Scripts, handlers, frames, styles and addresses in outputs, Markdown, checks and names are taken away."""
    text = notebook(shown(html=HOSTILE), shown(plain=HOSTILE), text=HOSTILE + "\n\n![x](https://example.org/x.png)")
    page = record_page(settings, sealed(settings, heap(), executed=text, parameters={"device": HOSTILE}))
    assert_harmless(page)
    assert page.count('id="x"') == 0


@given(st.text(alphabet=st.sampled_from("<>/=\"'& abcsriptonlmgfhe:;()!-\\\n`*[]"), max_size=80) | st.text(max_size=60))
@hypothesis_settings(deadline=None, max_examples=150)
def test_no_text_becomes_harmful(text: str) -> None:
    """Whatever stands in HTML, Markdown or a terminal's output, nothing of it runs or loads."""
    for made in (sanitized(text), sanitized(HOSTILE[:60] + text), markdown(text), terminal(f"\x1b[1;31m{text}")):
        assert_harmless(made)


def test_whatever_is_left_of_a_record_is_exported(settings: Settings) -> None:
    """No notebook, half of one, an unreadable one, and a manifest that is damaged: each has its page."""
    bare = sealed(settings, days=1)
    assert "The record has no executed notebook." in record_page(settings, bare)
    assert "cell 2: DeadKernelError" in record_page(settings, bare)
    record = sealed(settings, heap(), executed=notebook(shown(plain="legible")))
    (record.folder / "notebook.partial.txt").write_text('{"cells": [<half')
    assert "[&lt;half" in record_page(settings, record)
    (record.folder / "manifest.json").write_text("{")
    page = record_page(settings, record_in(record.folder))
    assert "legible" in page
    assert "cannot be read" in page
    (record.folder / "notebook.ipynb").write_text("{")
    assert "It cannot be shown" in record_page(settings, record_in(record.folder))


def test_a_page_holds_no_secret(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is known now is masked, also where the record was made before."""
    record = sealed(
        settings, heap(), executed=notebook(shown(plain="xyzzy-plugh-42"), shown(html="<p>xyzzy-plugh-42</p>"))
    )
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "xyzzy-plugh-42")
    assert "xyzzy" not in record_page(load(), record)


def test_the_archive_s_page_lists_runs_by_day(settings: Settings) -> None:
    """Each run stands under its day with its verdict, filters need no script, and links lead to what is there."""
    failed = sealed(settings, heap(Status.FAIL), executed=notebook(), days=1)
    sealed(settings, heap(), name="workers")
    page = write_archive_page(settings).read_text()
    assert page.index("Friday, 20 November 2026") < page.index("Thursday, 19 November 2026")
    assert f'href="../records/{failed.id}/notebook.ipynb"' in page
    assert "#v-FAIL:checked" in page
    assert "2026-11-19" in page
    assert_harmless(page)
    linked = write_pages(settings).read_text()
    assert f'href="{failed.id}.html"' in linked
    assert (settings.paths.archive / f"{failed.id}.html").is_file()


def test_a_page_tells_times_as_the_command_line_does(settings: Settings) -> None:
    """A run of a minute is told in the same words on the archive's page, on its own, and in a list."""
    record = sealed(settings, heap(), ended_at=NOW + timedelta(seconds=60.9))
    for page in (write_archive_page(settings).read_text(), record_page(settings, record)):
        assert "1 min 01 s" in page
        assert "60.9 s" not in page


def test_the_archive_s_page_follows_what_is_sealed(settings: Settings) -> None:
    """Once it was made, it shows a run as soon as that is sealed; JupyterLab's folder has links to it."""
    sealed(settings, heap(), days=1)
    show_records(settings)
    new = sealed(settings, heap())
    assert new.id in (settings.paths.home / "lab" / "archive" / "index.html").read_text()
    assert (settings.paths.home / "lab" / "records" / new.id / "manifest.json").is_file()
    assert next(record.id for record in Archive(settings.paths).list()) == new.id


def test_a_page_is_read_on_a_phone(settings: Settings) -> None:
    """No badge breaks, a path breaks after a slash, and a table too wide for the screen scrolls or is stacked."""
    there = Check("a: b", Status.NOT_CONFIGURED, "none", "set it up", "http://127.0.0.1:8080/api/x <y>", NOW)
    cells = notebook(shown(html=checks_html([there])), text="| a | b |\n|---|---|\n| c | d |")
    page = record_page(settings, sealed(settings, there, executed=cells))
    assert '<span class="mono">http://127.0.0.1:8080/<wbr>api/<wbr>x &lt;y&gt;</span>' in page
    styles, _, body = page.partition("</style>")
    (kept,) = re.findall(r'<div class="output">.*?<span style="([^"]*)">not configured', body)
    assert "white-space:nowrap" in kept
    assert '<section class="cell"><table>' in body
    for rule in (".cell > table { display: block; overflow-x: auto", ".output { overflow-x: auto"):
        assert rule in styles
    narrow = styles.partition("@media (max-width: 40rem) {")[2]
    assert '.output table:has(td:first-child > span[style*="inline-block"]) td { display: block' in narrow
    assert "table.stack td.from { width: auto }" in narrow
    assert "inline-block" in kept
