"""The format: `name: shell command`, a job a line.

# comments, and two keys that say something about all steps of the file
keywords: fast io
tokens: 1
hello: echo hello
"""

from pathlib import Path

from canary import JobSpec, SpecGenerator
from canary.errors import SpecError
from canary.spec import ExpandContext, Loaded, SpecFile, job_id, job_name

KEYS = ("keywords", "tokens")


def read(path):
    """`{"keywords": [...], "tokens": n, "steps": [[name, command], ...]}`, plain data."""
    found = {"keywords": [], "tokens": 0, "steps": []}
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as e:
        raise SpecError(f"cannot be read: {e.strerror}", file=str(path)) from None
    except UnicodeDecodeError as e:
        line = e.object.count(b"\n", 0, e.start) + 1
        raise SpecError("this is not UTF-8", file=str(path), line=line) from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not name or not value:
            raise SpecError(
                f"not a step: {line!r}", hint="name: command", file=str(path), line=number
            )
        if name == "keywords":
            found["keywords"] = value.split()
        elif name == "tokens":
            if not value.isdecimal():
                raise SpecError(f"tokens: {value!r} is no number", file=str(path), line=number)
            found["tokens"] = int(value)
        elif "/" in name or name in [step for step, _ in found["steps"]]:
            raise SpecError(f"a second step {name!r}, or a slash", file=str(path), line=number)
        else:
            found["steps"].append([name, value])
    return found


class StepsGenerator(SpecGenerator):
    name = "steps"
    patterns = ("*.steps",)
    description = "shell commands, a job a line"

    def load(self, file: SpecFile) -> Loaded:
        # nothing but the file decides what comes out, so canary may keep it while that is unchanged
        return Loaded(read(file.file), cacheable=True)

    def expand(self, file: SpecFile, data: dict, context: ExpandContext) -> list[JobSpec]:
        shell = context.config.get("example", {}).get("shell", "/bin/sh")
        family = Path(file.path).stem
        # a meta parameter named like a resource is a request for it, and is not part of the name
        needs = {"tokens": data["tokens"]} if data["tokens"] else {}
        specs = []
        for step, command in data["steps"]:
            parameters = {"step": step}
            identity = {**parameters, **needs}
            specs.append(
                JobSpec(
                    file_root=file.root,
                    file_path=file.path,
                    id=job_id(family, context.repository(file.file), identity),
                    family=family,
                    name=job_name(family, parameters),
                    command=(shell, "-c", command),
                    generator=self.name,
                    parameters=parameters,
                    meta_parameters=needs,
                    keywords=tuple(data["keywords"]),
                    timeout=context.timeout_for(data["keywords"]),
                )
            )
        return specs
