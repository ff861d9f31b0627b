"""A test format for tests: each line of a `*.lines` file is a name, a colon and a shell command."""

import canary
from canary.spec import JobSpec, Loaded, job_id


class Lines(canary.SpecGenerator):
    name = "lines"
    patterns = ("*.lines",)

    def load(self, file):
        with open(file.file, encoding="utf-8") as f:
            rows = [line.rstrip("\n").partition(":") for line in f if line.strip()]
        return Loaded([(name, command) for name, _, command in rows])

    def expand(self, file, data, context):
        repository = context.repository(file.file)
        return [
            JobSpec(
                file_root=file.root,
                file_path=file.path,
                id=job_id(name, repository, {}),
                family=name,
                name=name,
                command=("/bin/sh", "-c", command),
                generator=self.name,
                timeout=context.timeout_for(()),
                xstatus=64 if "xdiff" in name else 0,
            )
            for name, command in data
        ]


@canary.hookimpl
def canary_spec_generators():
    return [Lines()]
