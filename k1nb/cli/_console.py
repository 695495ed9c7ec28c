"""The console that all is printed on: what others wrote is shown on it and never obeyed."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from k1nb._plain import without_control


class PlainConsole(Console):
    """A console on which only rich itself moves the cursor and paints."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is printed; texts come without control characters but line feeds and tabs."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else without_control(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)

    def on_broken_pipe(self) -> None:
        """Leave it to the command line to end, where nobody reads any more."""
        raise BrokenPipeError
