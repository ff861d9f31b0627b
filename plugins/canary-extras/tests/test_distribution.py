"""What is installed: the script of the older name, and a wheel that has the manual in it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def test_nvtest_is_canary():
    (point,) = distribution("canary-extras").entry_points.select(group="console_scripts")
    assert point.name == "nvtest"
    program = Path(sys.executable).with_name("nvtest")
    for words in (["--version"], ["docs", "list"]):
        here = [sys.executable, "-m", "canary", *words]
        asked = [
            subprocess.run(c, capture_output=True, check=True) for c in ([program, *words], here)
        ]
        assert asked[0].stdout == asked[1].stdout


def test_the_wheel_has_pages_and_examples(tmp_path):
    pytest.importorskip("hatchling")
    if not (PROJECT.parents[1] / "docs").is_dir():
        pytest.skip("not in a checkout")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(words, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    into = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(into)
    package = into / "canary_extras"
    assert (package / "examples" / "mean.pyt").is_file()
    assert (package / "manual" / "differences.md").is_file()
    # the pages that it finds are its own, not those of the checkout
    code = "from canary_extras import pages; print(pages.source(), *pages.all_pages())"
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(into)!r}); {code}"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    ).stdout
    assert shown.startswith(str(package / "manual"))
    assert "reference/hooks" in shown
