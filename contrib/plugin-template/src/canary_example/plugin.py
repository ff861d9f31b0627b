"""The hooks: what canary asks this plugin. Each is explained in docs/reference/hooks.md."""

import canary
from canary_example.settings import ExampleSettings


@canary.hookimpl
def canary_settings():
    return ExampleSettings


@canary.hookimpl
def canary_spec_generators():
    # imported when it is needed: `canary status` pays nothing for this plugin
    from canary_example.steps import StepsGenerator

    return [StepsGenerator()]


@canary.hookimpl
def canary_commands():
    from canary_example.command import STEPS

    return [STEPS]


@canary.hookimpl
def canary_reporters():
    from canary_example.report import CsvReporter

    return [CsvReporter()]


@canary.hookimpl
def canary_resources(config):
    tokens = config.settings(ExampleSettings).tokens
    # also if there are none: a job that asks for tokens then cannot run here, and is told so
    return {"tokens": [{"id": str(number), "slots": 1} for number in range(tokens)]}
