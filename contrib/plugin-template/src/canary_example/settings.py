"""What people can configure: `[example]` in canary.toml, CANARY_EXAMPLE_*, --example-*."""

from dataclasses import dataclass, field
from typing import ClassVar

import canary


@dataclass(frozen=True)
class ExampleSettings(canary.Settings):
    section: ClassVar[str] = "example"
    tokens: int = field(default=0, metadata={"help": "how many tokens this machine has"})
    shell: str = field(default="/bin/sh", metadata={"help": "shell that runs the steps"})
