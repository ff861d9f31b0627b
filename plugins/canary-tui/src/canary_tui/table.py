"""The table of jobs: draws the rows that are in sight, so that their number is no matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from canary_tui.model import COLOURS, Row

_HEAD = f"  {'ID':8}{'Status':12}{'Duration':>9}  Job"


class JobTable(ScrollView, can_focus=True):
    """Rows, one of which is the current one; some may be marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("home,g", "go(0)", "First", show=False),
        Binding("end,G", "go(-1)", "Last", show=False),
    ]

    class Moved(Message):
        """Another row is the current one."""

    class Chosen(Message):
        """The current row was clicked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: Sequence[Row] = ()
        self.marked: frozenset[str] = frozenset()
        self.at = 0

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.at] if self.rows else None

    def show(self, rows: Sequence[Row], marked: frozenset[str]) -> None:
        """Show these; the cursor stays on its job, or near it."""
        old = self.current
        self.rows, self.marked = rows, marked
        if old is not None and not (self.at < len(rows) and rows[self.at].id == old.id):
            self.at = next((i for i, r in enumerate(rows) if r.id == old.id), self.at)
        self.at = max(0, min(self.at, len(rows) - 1))
        widest = max((len(r.fullname) + len(r.reason) for r in rows), default=0)
        self.virtual_size = Size(len(_HEAD) + widest + 6, len(rows) + 1)
        self.refresh()

    def move_to(self, at: int) -> None:
        """Make a row the current one, and bring it into sight."""
        if not self.rows:
            return
        self.at = max(0, min(at, len(self.rows) - 1))
        # the line above it, too: the first line in sight is the head
        region = Region(0, self.at, 1, 2)
        self.call_after_refresh(self.scroll_to_region, region, animate=False, x_axis=False)
        self.refresh()
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        """Up or down."""
        self.move_to(self.at + by)

    def action_page(self, by: int) -> None:
        """A screen up or down."""
        self.move_to(self.at + by * max(1, self.size.height - 2))

    def action_go(self, at: int) -> None:
        """To the first row, or the last."""
        self.move_to(at if at >= 0 else len(self.rows) - 1)

    def on_click(self, event: events.Click) -> None:
        """To the row under the mouse; a second click chooses it."""
        at = int(event.y + self.scroll_offset.y) - 1 if event.y >= 1 else -1
        if 0 <= at < len(self.rows):
            again = at == self.at and event.chain > 1
            self.move_to(at)
            if again:
                self.post_message(self.Chosen())

    def render_line(self, y: int) -> Strip:
        """A line of the widget; the first is the head, wherever the rows are."""
        at = y + self.scroll_offset.y - 1 if y else -1
        width, left = self.size.width, self.scroll_offset.x
        style = base = self.rich_style
        if at < 0:
            strip = Strip([Segment(_HEAD, base + Style(bold=True, underline=True))])
        elif at < len(self.rows):
            style = base + Style(reverse=at == self.at)
            strip = self._line(self.rows[at], style)
        else:
            return Strip.blank(width, base)
        return strip.extend_cell_length(left + width, style).crop(left, left + width)

    def _line(self, row: Row, style: Style) -> Strip:
        mark = "x" if row.id in self.marked else " "
        plain = bool(style.reverse)  # colours would be behind the text, and hide it
        painted = style if plain else style + Style(color=COLOURS.get(row.state))
        return Strip(
            [
                Segment(f"{mark} {row.id[:7]} ", style),
                Segment(f"{row.status:12}", painted),
                Segment(f"{row.took():>9}  {row.fullname}", style),
                Segment(
                    f"  {row.reason}" if row.reason else "",
                    style if plain else style + Style(dim=True),
                ),
            ]
        )
