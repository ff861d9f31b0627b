"""The contract of every test format, for the two that are here."""

from __future__ import annotations

from canary.testing.generators import GeneratorContract
from canary_pyt.canaryconf import CanaryconfGenerator
from canary_pyt.generator import PytGenerator

HEAD = "import canary\n"
CALL = f"{HEAD}canary.directives."


class TestPyt(GeneratorContract):
    generator = PytGenerator
    good = {
        "plain.pyt": "",
        "rows.pyt": (
            f'{CALL}parameterize("a,b", [(1, 1.5), (2, "x y")])\n'
            'canary.directives.keywords("fast", when="platforms=linux")\n'
            'canary.directives.copy("in_$a.txt")\n'
            'canary.directives.depends_on("plain", result="pass or diffed")\n'
            "canary.directives.generate_composite_base_case()\n"
        ),
        "sub/masked.pyt": f'{CALL}skipif(True, reason="so")\ncanary.directives.enable(False)\n',
        "canary_old.py": f'{CALL}timeout("1m")\n',
    }
    bad = {
        "syntax.pyt": f"{CALL}keywords(\n",
        "raises.pyt": f"{HEAD}raise ValueError('no')\n",
        "unknown.pyt": f"{CALL}frobnicate(1)\n",
        "rows.bad.pyt": f'{CALL}parameterize("a,b", [(1,)])\n',
        "leaves.pyt": "import sys\nsys.exit(3)\n",
    }


class TestCanaryconf(GeneratorContract):
    generator = CanaryconfGenerator
    good = {"canaryconf.py": "def canary_setup():\n    pass\n\ndef canary_teardown():\n    pass\n"}
    bad = {"sub/canaryconf.py": "async def canary_setup():\n    pass\n"}
