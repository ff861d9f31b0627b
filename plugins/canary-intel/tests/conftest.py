"""Trees like those below `/sys`."""

from __future__ import annotations

import pytest

pytest_plugins = ["canary.testing.fixtures"]


class Tree:
    """`card("0000:03:00.0")` adds a GPU; `root` is what stands for `/sys`."""

    def __init__(self, root):
        self.root = root
        self.count = 0

    def card(self, place, *, vendor="0x8086", kind="0x038000", tiles=1, driver="xe"):
        device = self.root / "devices" / place
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "class").write_text(f"{kind}\n")
        (device / "device").write_text("0x0bd5\n")
        card = self.root / "class" / "drm" / f"card{self.count}"
        card.mkdir(parents=True)
        (card / "device").symlink_to(device)
        (card.parent / f"card{self.count}-HDMI-A-1").mkdir()
        (card.parent / f"renderD{128 + self.count}").mkdir()
        for n in range(tiles):
            place = device / f"tile{n}" if driver == "xe" else card / "gt" / f"gt{n}"
            place.mkdir(parents=True)
        self.count += 1


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "sys")
