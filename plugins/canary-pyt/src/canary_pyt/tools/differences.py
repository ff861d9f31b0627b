"""`canary.difflib`: compare files; a difference is an exception that ends the test as DIFFED."""

from __future__ import annotations

import difflib
import importlib
import sys

from canary_pyt.errors import TestDiffed, diff_exit_status

__all__ = [
    "ImageDiffError",
    "UnixDiffError",
    "diff_exit_status",
    "img_diff",
    "imgdiff",
    "unix_diff",
    "unixdiff",
]


class UnixDiffError(TestDiffed):
    """Two texts differ."""


class ImageDiffError(TestDiffed):
    """Two images differ by more than the tolerance."""


def unix_diff(file1: str, file2: str, ignore_whitespace: bool = False) -> None:
    """Print how two text files differ; UnixDiffError if they do."""
    texts = []
    for file in (file1, file2):
        with open(file, encoding="utf-8", errors="replace") as f:
            lines = f.read().splitlines()
        texts.append([" ".join(line.split()) for line in lines] if ignore_whitespace else lines)
    if texts[0] == texts[1]:
        return
    for line in difflib.unified_diff(texts[0], texts[1], file1, file2, lineterm=""):
        sys.stdout.write(line + "\n")
    raise UnixDiffError(f"{file1} and {file2} differ")


def img_diff(file1: str, file2: str, rtol: float = 1e-4) -> None:
    """Compare two images as grey values; ImageDiffError if they differ by more than `rtol` a pixel.

    Needs numpy and imageio (`pip install canary-pyt[images]`).
    """
    try:
        imageio = importlib.import_module("imageio.v3")
        numpy = importlib.import_module("numpy")
    except ImportError as e:
        raise ImportError(f"{e}; comparing images needs `pip install canary-pyt[images]`") from None
    grey = []
    for file in (file1, file2):
        pixels = numpy.asarray(imageio.imread(file), dtype=float)
        pixels = pixels[..., :3].mean(axis=-1) if pixels.ndim == 3 else pixels
        low, span = pixels.min(), pixels.max() - pixels.min()
        grey.append((pixels - low) * (255.0 / span) if span else pixels - low)
    if grey[0].shape != grey[1].shape:
        raise ImageDiffError(
            f"{file1} and {file2} have different sizes: {grey[0].shape} and {grey[1].shape}"
        )
    difference = float(numpy.abs(grey[0] - grey[1]).mean()) / 255.0
    if difference > rtol:
        raise ImageDiffError(f"{file1} and {file2} differ by {difference:g}, more than {rtol:g}")


imgdiff = img_diff
unixdiff = unix_diff
