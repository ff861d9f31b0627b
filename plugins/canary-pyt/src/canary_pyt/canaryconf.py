"""`canaryconf.py`: functions that run once before and after all tests at or below a directory.

The file is parsed, never executed, at collection. Each function becomes a job, which the graph puts
before or after the others; the job runs the function in a process of its own.
"""

from __future__ import annotations

import sys
from pathlib import PurePosixPath
from typing import Any, ClassVar

from canary.errors import SpecError
from canary.frozen import FrozenDict
from canary.spec import ExpandContext, JobSpec, Loaded, SpecFile, SpecGenerator, job_id

FUNCTIONS = FrozenDict({"canary_setup": "setup", "canary_teardown": "teardown"})


class CanaryconfGenerator(SpecGenerator):
    """Set-up and teardown of directories."""

    name: ClassVar[str] = "canaryconf"
    patterns: ClassVar[tuple[str, ...]] = ("canaryconf.py",)
    version: ClassVar[int] = 1
    description: ClassVar[str] = "canary_setup and canary_teardown of a directory"

    def load(self, file: SpecFile) -> Loaded:
        """The roles that the file has functions for, each with its line."""
        import ast

        try:
            with open(file.file, "rb") as f:
                tree = ast.parse(f.read(), file.file)
        except OSError as e:
            raise SpecError(f"cannot be read: {e.strerror}", file=file.file) from None
        except SyntaxError as e:
            raise SpecError(f"syntax error: {e.msg}", file=file.file, line=e.lineno) from None
        except (ValueError, RecursionError, MemoryError) as e:
            raise SpecError(f"cannot be parsed: {e}", file=file.file) from None
        roles: dict[str, int] = {}
        for node in tree.body:
            if isinstance(node, ast.AsyncFunctionDef) and node.name in FUNCTIONS:
                raise SpecError(f"{node.name} must not be async", file=file.file, line=node.lineno)
            if isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS:
                roles[FUNCTIONS[node.name]] = node.lineno
        return Loaded(roles, cacheable=True)

    def expand(self, file: SpecFile, data: Any, context: ExpandContext) -> list[JobSpec]:
        """One job for each role."""
        from canary_pyt.attributes import WRAPPER

        repository = context.repository(file.file)
        directory = file.path.rpartition("/")[0]
        prefix = f"{directory}/" if directory else ""
        specs = []
        for role in data:
            name = f"canaryconf.py::{role}"
            keywords = ("canary_conftest", role)
            timeout = context.timeout_for(keywords)
            about = {
                "role": role,
                "scope_dir": str(PurePosixPath(file.file).parent),
                "source_file": file.file,
            }
            specs.append(
                JobSpec(
                    file_root=file.root,
                    file_path=file.path,
                    id=job_id(name, repository, {}),
                    family=name,
                    name=name,
                    command=(
                        sys.executable,
                        WRAPPER,
                        "--function",
                        f"canary_{role}",
                        "canaryconf.py",
                    ),
                    generator=file.generator,
                    meta_parameters=FrozenDict(runtime=timeout),
                    keywords=keywords,
                    timeout=timeout,
                    attributes={"canary_conftest": about},
                    exec_path=f"{prefix}__{role}__",
                    view_path=f"{prefix}{name}",
                    fixture=role,
                )
            )
        return specs
