"""Lines in colour for one stream: what comes from outside is made harmless, and cut to fit.

No text is ever read as rich's markup. Colours are a terminal's own sixteen, so that they suit the
user's background. A line is made of parts and rendered in microseconds, which rich's own printing
is not: a failing job must not cost more to show than to run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TextIO

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.style import Style

from canary.status import Category, Outcome
from canary.table import clean
from canary_console.terminal import encodable

PLAIN: Final = Style()
STRONG: Final = Style(bold=True)
FAINT: Final = Style(dim=True)
WARNING: Final = Style(color="yellow")
RUNNING: Final = Style(color="cyan")
# a reason may hold the whole output of a compiler
_LONGEST: Final = 1000


def style_of(kind: Outcome | Category) -> Style:
    """The colour of an outcome or category; a word always stands beside it."""
    category = kind.category if isinstance(kind, Outcome) else kind
    return Style(color=category.colour, bold=True if category is Category.FAIL else None)


def word_of(outcome: Outcome) -> str:
    """What an outcome is called in a count: as `Summary.line` calls it."""
    return "pass" if outcome is Outcome.SUCCESS else outcome.name.lower()


@dataclass(slots=True)
class Line:
    """A line in parts; what is added to it is harmless already (see `Painter.safe`)."""

    parts: list[tuple[str, Style]] = field(default_factory=list)

    def add(self, text: str, style: Style = PLAIN) -> Line:
        """Go on with `text`."""
        self.parts.append((text, style))
        return self

    @property
    def width(self) -> int:
        """Cells of a terminal that it takes."""
        return sum(cell_len(text) for text, _ in self.parts)

    @property
    def text(self) -> str:
        """Without colour."""
        return "".join(text for text, _ in self.parts)


@dataclass(frozen=True, slots=True)
class Painter:
    """Makes lines for one stream.

    `codes`: it takes escape codes at all; `colour`: colours too, not only bold and faint; `signs`:
    it shows more than ASCII.
    """

    stream: TextIO
    codes: bool
    colour: bool
    signs: bool

    def safe(self, text: str) -> str:
        """Text of a user's: nothing in it moves the cursor, ends the line, or cannot be encoded."""
        cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        return encodable(clean(cut), self.stream)

    def fit(self, line: Line, width: int) -> Line:
        """`line`, cut to `width` cells and marked if it was cut."""
        if line.width <= width:
            return line
        mark = "…" if self.signs else "..."
        room = max(0, width - len(mark))
        cut = Line()
        for text, style in line.parts:
            part = text if cell_len(text) <= room else set_cell_size(text, room).rstrip()
            cut.add(part, style)
            room -= cell_len(part)
            if len(part) < len(text):
                break
        return cut.add(mark[: max(0, width)])

    def render(self, line: Line) -> str:
        """`line` as it is written, without an end."""
        if not self.codes:
            return line.text
        return "".join(self.paint(text, style) for text, style in line.parts)

    def paint(self, text: str, style: Style) -> str:
        """`text` in a style, as far as the stream shows it."""
        if not self.codes:
            return text
        if not self.colour:
            style = style.without_color
        return style.render(text, color_system=ColorSystem.STANDARD)
