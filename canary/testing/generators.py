"""What every test format must do, as tests: subclass `GeneratorContract` and name yours.

    class TestSteps(GeneratorContract):
        generator = StepsGenerator
        good = {"a.steps": "run: true\\n"}
        bad = {"b.steps": "no such key: 1\\n"}

The files are written into a scan root; nothing is run.
"""

from __future__ import annotations

import copy
import json
import marshal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from canary.errors import SpecError
from canary.frozen import EMPTY
from canary.spec import ExpandContext, JobSpec, SpecFile, SpecGenerator


def context(*options: str, config: Mapping[str, Any] = EMPTY) -> ExpandContext:
    """What `expand` gets besides the file: `-o` options, and configuration."""
    return ExpandContext(
        options=frozenset(options),
        platforms=frozenset({"linux"}),
        timeout_for=lambda _keywords: 300.0,
        repository=lambda path: Path(path).name,
        config=config,
    )


def spec_file(root: Path, name: str, generator: SpecGenerator) -> SpecFile:
    """The file `name` below a scan root, as collection finds it."""
    found = (root / name).stat()
    return SpecFile(str(root), name, generator.name, found.st_mtime_ns, found.st_size, found.st_ino)


class GeneratorContract:
    """What `canary.spec.SpecGenerator` promises. `good` and `bad` are `{path: text}`."""

    generator: ClassVar[type[SpecGenerator]]
    good: ClassVar[Mapping[str, str]]
    bad: ClassVar[Mapping[str, str]] = EMPTY

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A scan root with all files."""
        for name, text in (*self.good.items(), *self.bad.items()):
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "root"

    @pytest.fixture
    def made(self) -> SpecGenerator:
        """The generator; it needs no arguments."""
        return self.generator()

    def loaded(self, made: SpecGenerator, root: Path) -> Iterator[tuple[SpecFile, Any]]:
        """Each good file, and what `load` makes of it."""
        assert self.good, "a contract needs a file that is good"
        for name in self.good:
            file = spec_file(root, name, made)
            yield file, made.load(file).data

    def test_it_has_a_name_and_claims_its_files(self, made: SpecGenerator) -> None:
        """And not whatever comes along."""
        assert made.name
        assert made.name == made.name.strip()
        assert isinstance(made.patterns, tuple)
        for name in (*self.good, *self.bad):
            assert made.claims(Path(name).name), f"{name} is not claimed"
        for other in ("README", "x.o", ".hidden", ""):
            assert not made.claims(other), f"{other!r} is claimed"

    def test_what_is_loaded_can_be_kept(self, made: SpecGenerator, root: Path) -> None:
        """Plain data: it is stored, and handed from one process to another."""
        for file, data in self.loaded(made, root):
            again = marshal.loads(marshal.dumps(data))
            want = [spec.asdict() for spec in made.expand(file, data, context())]
            assert [spec.asdict() for spec in made.expand(file, again, context())] == want

    def test_expand_is_pure(self, made: SpecGenerator, root: Path) -> None:
        """Twice the same, and the data as before: it is called for every file of every run."""
        for file, data in self.loaded(made, root):
            before = copy.deepcopy(data)
            first = [spec.asdict() for spec in made.expand(file, data, context())]
            (root / file.path).rename(root / "moved")
            second = [spec.asdict() for spec in made.expand(file, data, context())]
            (root / "moved").rename(root / file.path)
            assert first == second
            assert data == before

    def test_specs_are_sound(self, made: SpecGenerator, root: Path) -> None:
        """They name their file, have names of their own, and survive being stored."""
        for file, data in self.loaded(made, root):
            specs = made.expand(file, data, context())
            assert specs, f"{file.path} gives no job"
            assert len({spec.id for spec in specs}) == len(specs), "two jobs have one ID"
            assert len({spec.name for spec in specs}) == len(specs), "two jobs have one name"
            for spec in specs:
                assert (spec.file_root, spec.file_path) == (file.root, file.path)
                assert spec.id
                assert set(spec.id) <= set("0123456789abcdef_")
                assert spec.name
                assert "/" not in spec.name
                assert spec.command or spec.mask
                assert JobSpec.fromdict(json.loads(json.dumps(spec.asdict()))) == spec

    def test_what_is_wrong_is_one_error_naming_the_file(
        self, made: SpecGenerator, root: Path
    ) -> None:
        """In `load` or in `expand`, never another exception."""
        for name in self.bad:
            file = spec_file(root, name, made)
            with pytest.raises(SpecError) as caught:
                made.expand(file, made.load(file).data, context())
            located = caught.value.located(file=file.file)
            assert located.file == file.file
            assert "\n" not in str(located)

    def test_a_file_that_is_gone_is_an_error_too(self, made: SpecGenerator, root: Path) -> None:
        """It may have been removed since the scan."""
        with pytest.raises((SpecError, OSError)):
            made.load(SpecFile(str(root), "gone" + next(iter(self.good)), made.name))
