from __future__ import annotations

import pytest

from canary.events import Summary
from canary.status import Category, Outcome
from canary_console.paint import FAINT, STRONG, Line, Painter, style_of, word_of


@pytest.fixture
def painter(make_stream):
    return Painter(make_stream(), codes=True, colour=True, signs=True)


@pytest.mark.parametrize(
    "text", ["a\nb", "\x1b[31m", "[red]x[/red]", "\r\x08\x07\x9b2J", "\u202eabc", "\ud800", "é😀"]
)
def test_what_users_write_is_harmless_and_can_be_encoded(make_stream, text):
    for encoding in ("utf-8", "ascii"):
        painter = Painter(make_stream(encoding), codes=True, colour=True, signs=True)
        safe = painter.safe(text)
        assert safe.isprintable()
        safe.encode(encoding)
        assert painter.render(Line().add(safe)) == safe


def test_markup_is_text(painter):
    assert painter.render(Line().add(painter.safe("[bold]x[/bold]"))) == "[bold]x[/bold]"


def test_the_whole_output_of_a_compiler_is_cut(painter):
    assert len(painter.safe("x" * 100_000)) < 2000


@pytest.mark.parametrize("text", ["plain text", "日本語のテスト", "e\u0301" * 10, "mixed 日本 end"])
@pytest.mark.parametrize("signs", [True, False])
def test_a_line_never_takes_more_cells_than_there_are(make_stream, text, signs):
    painter = Painter(make_stream(), codes=False, colour=False, signs=signs)
    for width in range(1, 25):
        line = Line().add(text, STRONG).add(" and ").add(text, FAINT)
        cut = painter.fit(line, width)
        assert cut.width <= width
        assert cut.text != line.text
        if width > 3:
            assert cut.text.endswith("…" if signs else "...")
    assert painter.fit(line, 200).text == line.text


def test_colour_and_codes_as_the_stream_takes_them(make_stream):
    line = Line().add("FAIL", style_of(Category.FAIL)).add(" x")
    shown = [
        Painter(make_stream(), codes=codes, colour=colour, signs=True).render(line)
        for codes, colour in ((True, True), (True, False), (False, False))
    ]
    assert shown == ["\x1b[1;31mFAIL\x1b[0m x", "\x1b[1mFAIL\x1b[0m x", "FAIL x"]


def test_every_outcome_has_a_word_of_its_own():
    words = [word_of(outcome) for outcome in Outcome]
    assert len(set(words)) == len(words)
    for outcome in Outcome:
        if outcome is not Outcome.NONE:
            assert word_of(outcome) in Summary("s", {outcome.name: 2}, 1.0, 0).line()
