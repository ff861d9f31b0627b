"""The contract of every test format."""

from __future__ import annotations

from canary.testing.generators import GeneratorContract
from canary_yaml.generator import YamlGenerator


class TestYaml(GeneratorContract):
    generator = YamlGenerator
    good = {
        "plain.canary.yaml": "tests: {a: {command: ls}}\n",
        "canary_b.yaml": (
            "defaults: {timeout: 3m}\n"
            "tests:\n"
            "  a:\n"
            "    command: [echo, '${x}', 1]\n"
            "    parameters: {x: [1, 2.5, w, false], zip: [{c: [1, 2], d: [p, q]}, {e: 1}]}\n"
            "    resources: {cpus: '${c}', fpgas: 1}\n"
            "    attributes: {a: [1, {b: null}]}\n"
            "    environment: {A: 1, B: null, C: '${d}'}\n"
            "    references: {r: {pattern: '(.)${x}', value: '${c}', lower: -1%}}\n"
            "    baseline: [{src: a, dst: b}, {flag: -r}]\n"
            "    artifacts: [a, {pattern: b, when: failure}]\n"
            "    assets: {copy: a, link: [b, {src: c, dst: d}]}\n"
            "    depends_on: [b, {job: c, when: always, expects: '*'}]\n"
        ),
        "sub/c.canary.toml": "[tests.a]\ncommand = 'ls'\nparameters.n = [1, 2]\n",
        "canary_d.toml": "[defaults]\ncommand = ['ls']\n[tests.a]\n[tests.b]\nexpect = 'diff'\n",
    }
    bad = {
        "empty.canary.yaml": "",
        "list.canary.yaml": "[1]\n",
        "open.canary.yaml": "tests: {a: [\n",
        "key.canary.yaml": "tests: {a: {command: ls, timeot: 1}}\n",
        "twice.canary.yaml": "tests: {a: {command: ls}, a: {command: ls}}\n",
        "object.canary.yaml": "tests: !!python/object/apply:os.system [ls]\n",
        "cycle.canary.yaml": "tests: {a: {command: ls, attributes: &x {y: *x}}}\n",
        "value.canary.yaml": (
            "tests: {a: {command: ls, references: {r: {pattern: '(.)', value: '${x}'}}}}\n"
        ),
        "both.canary.yaml": "tests: {a: {command: a, parameters: {n: 1}, resources: {n: 1}}}\n",
        "bad.canary.toml": "tests = \n",
    }
