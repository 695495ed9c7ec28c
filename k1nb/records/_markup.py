"""What people and programs wrote, as HTML that can neither run nor load anything."""

from __future__ import annotations

import io
import re
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from k1nb._plain import without_control

if TYPE_CHECKING:
    from bleach.sanitizer import Cleaner

_TAGS = frozenset(
    {
        *(
            "a",
            "abbr",
            "b",
            "blockquote",
            "br",
            "caption",
            "code",
            "col",
            "colgroup",
            "dd",
            "del",
            "details",
            "div",
            "dl",
        ),
        *("dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li"),
        *("mark", "ol", "p", "pre", "s", "samp", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody"),
        *("td", "tfoot", "th", "thead", "tr", "u", "ul"),
    }
)
_ATTRIBUTES = frozenset({"alt", "colspan", "height", "open", "rowspan", "scope", "start", "title", "width"})
# None that takes an element out of its place: what is shown stays within its own output.
_PROPERTIES = frozenset(
    {
        *(
            "background",
            "background-color",
            "border",
            "border-bottom",
            "border-collapse",
            "border-color",
            "border-left",
        ),
        *("border-radius", "border-right", "border-style", "border-top", "border-width", "color", "display"),
        *("font-family", "font-size", "font-style", "font-weight", "padding", "padding-bottom", "padding-left"),
        *("padding-right", "padding-top", "text-align", "text-decoration", "vertical-align", "white-space"),
    }
)
_SILENT = re.compile(r"<(script|style|template|noscript|title)\b.*?(</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
_LINK = re.compile(r"(https?://|mailto:|#)", re.IGNORECASE)


def sanitized(html: str) -> str:
    """Return HTML with what is safe of it: no script, style sheet, form, frame, or address that is loaded from."""
    return str(_cleaner().clean(_SILENT.sub("", html)))


@cache
def _cleaner() -> Cleaner:
    from bleach.css_sanitizer import CSSSanitizer
    from bleach.sanitizer import Cleaner

    return Cleaner(
        tags=_TAGS,
        attributes=_allowed,
        protocols={"http", "https", "mailto", "data"},
        strip=True,
        css_sanitizer=CSSSanitizer(allowed_css_properties=_PROPERTIES),
    )


def _allowed(tag: str, name: str, value: str) -> bool:
    """Tell whether an attribute may stay; classes and ids may not, for they are the page's own."""
    if name == "style":
        return not re.search(r"url|\\|expression", value, re.IGNORECASE)
    if tag == "a" and name == "href":
        return _LINK.match(value.strip()) is not None
    if tag == "img" and name == "src":
        return _PICTURE.fullmatch(value.strip()) is not None
    return name in _ATTRIBUTES


def markdown(text: str) -> str:
    """Return Markdown as HTML; HTML in it is shown as it was typed."""
    return sanitized(_markdown()(text))


@cache
def _markdown() -> Any:
    import mistune

    return mistune.create_markdown(escape=True, plugins=["strikethrough", "table", "url"])


def python(source: str) -> str:
    """Return Python as HTML with a class for each kind of token."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers.python import PythonLexer

    return str(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


@cache
def python_styles() -> str:
    """Return the style sheet for the tokens, for light and dark."""
    from pygments.formatters import HtmlFormatter

    def rules(style: str) -> str:
        lines = HtmlFormatter(style=style).get_style_defs(".code").splitlines()
        return "".join(line.partition("/*")[0].strip() for line in lines if line.startswith(".code ."))

    return f"{rules('default')}@media(prefers-color-scheme:dark){{{rules('github-dark')}}}"


def terminal(text: str) -> str:
    """Return what was written for a terminal as HTML: its colours as classes or, beyond the sixteen, as they are."""
    if "\x1b" not in text:
        return escape(without_control(_overwritten(text)))
    from rich.console import Console
    from rich.text import Text

    console = Console(file=io.StringIO(), color_system="truecolor", width=10_000)
    segments = Text.from_ansi(text).render(console)
    return "".join(_coloured(without_control(segment.text), segment.style) for segment in segments)


def _overwritten(text: str) -> str:
    """Return text as a terminal shows it in the end: what follows a carriage return takes the line's place."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _coloured(text: str, style: Any) -> str:
    from rich.color import ColorType

    if style is None or not text.strip():
        return escape(text)
    classes = ["bold"] if style.bold else []
    shade = ""
    if style.color is not None and style.color.type is not ColorType.DEFAULT:
        if style.color.type is ColorType.STANDARD or (style.color.number is not None and style.color.number < 16):
            classes.append(f"c{style.color.number}")
        else:
            shade = f' style="color:{style.color.get_truecolor().hex}"'
    if not classes and not shade:
        return escape(text)
    return f"<span{f' class={chr(34)}{chr(32).join(classes)}{chr(34)}' if classes else ''}{shade}>{escape(text)}</span>"
