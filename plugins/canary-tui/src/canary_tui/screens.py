"""What lies over the table: a job's output, a question, help. All text is shown, never obeyed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Input, Label, Log, Static


class Pager(Screen[None]):
    """Text that may grow: `read` gives all of it, and is asked again every so many seconds."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape,enter", "app.pop_screen", "Back"),
        Binding("j", "down", "Down", show=False),
        Binding("k", "up", "Up", show=False),
        Binding("g", "top", "Top"),
        Binding("G", "bottom", "Bottom"),
    ]
    DEFAULT_CSS = """
    Pager Label { background: $accent; color: $text; width: 100%; }
    """

    def __init__(
        self, title: str, read: Callable[[], str], every: float = 0.0, *, at_end: bool = False
    ) -> None:
        super().__init__()
        self._title = title
        self._read = read
        self._every = every
        self._at_end = at_end
        self._shown: str | None = None

    def compose(self) -> ComposeResult:
        """Title, text, keys."""
        yield Label(self._title, markup=False)
        yield Log(highlight=False)
        yield Footer()

    def on_mount(self) -> None:
        """Read it now, and again later."""
        self._show()
        if self._every > 0:
            self.set_interval(self._every, self._show)

    def _show(self) -> None:
        text = self._read()
        if text != self._shown:
            log = self.query_one(Log)
            first = self._shown is None
            log.clear()
            log.write(text or "(nothing)")
            if first and not self._at_end:
                log.scroll_home(animate=False)
            self._shown = text

    @property
    def _log(self) -> Log:
        return self.query_one(Log)

    def action_down(self) -> None:
        """A line down."""
        self._log.scroll_down(animate=False)

    def action_up(self) -> None:
        """A line up."""
        self._log.scroll_up(animate=False)

    def action_top(self) -> None:
        """To the beginning."""
        self._log.scroll_home(animate=False)

    def action_bottom(self) -> None:
        """To the end."""
        self._log.scroll_end(animate=False)


class Ask(ModalScreen[str | None]):
    """A line of text; None if the question was left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave")]
    DEFAULT_CSS = """
    Ask { align: center bottom; }
    Ask Vertical { height: auto; border: round $accent; background: $surface; }
    """

    def __init__(self, question: str, value: str = "") -> None:
        super().__init__()
        self._question = question
        self._value = value

    def compose(self) -> ComposeResult:
        """Question and line."""
        with Vertical():
            yield Label(self._question, markup=False)
            yield Input(self._value, select_on_focus=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """That is the answer."""
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """There is none."""
        self.dismiss(None)


class Confirm(ModalScreen[bool]):
    """Text, and a key: y for yes, any of the others for no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,q,escape", "answer(False)", "No"),
    ]
    DEFAULT_CSS = """
    Confirm { align: center middle; }
    Confirm Vertical { width: 90%; height: auto; max-height: 80%; border: round $accent;
                       background: $surface; overflow-y: auto; }
    """

    def __init__(self, text: str, question: str) -> None:
        super().__init__()
        self._text = text
        self._question = question

    def compose(self) -> ComposeResult:
        """Text and question."""
        with Vertical():
            yield Static(self._text, markup=False)
            yield Label(f"{self._question}  y / n", markup=False)

    def action_answer(self, yes: bool) -> None:
        """That is the answer."""
        self.dismiss(yes)
