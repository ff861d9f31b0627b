"""What canary expects of any format and any report, asked of ours."""

from canary.testing.generators import GeneratorContract
from canary.testing.reporters import ReporterContract
from canary_example.report import CsvReporter
from canary_example.steps import StepsGenerator


class TestSteps(GeneratorContract):
    generator = StepsGenerator
    good = {
        "one.steps": "hello: echo hello\n",
        "sub/two.steps": "# both share a token\nkeywords: fast io\ntokens: 1\na: true\nb: exit 3\n",
    }
    bad = {
        "no-colon.steps": "hello\n",
        "twice.steps": "a: true\na: true\n",
        "tokens.steps": "tokens: many\na: true\n",
    }


class TestCsv(ReporterContract):
    reporter = CsvReporter


class TestCsvElsewhere(ReporterContract):
    reporter = CsvReporter
    words = ("-o", "other.csv")
