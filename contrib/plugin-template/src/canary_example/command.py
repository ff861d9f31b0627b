"""`canary steps FILE...`: the names of the steps in files."""

import canary
from canary_example.steps import read


def arguments(parser):
    parser.add_argument("files", nargs="+", metavar="FILE")


def run(args, config):
    for file in args.files:
        for name, command in read(config.cwd / file)["steps"]:
            print(f"{file}: {name}: {command}")
    return 0


STEPS = canary.Command(
    name="steps",
    help="list the steps in .steps files",
    run=run,
    arguments=arguments,
    examples=("canary steps a.steps",),
)
