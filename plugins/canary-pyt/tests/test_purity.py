"""Which files need not be executed again while they are unchanged."""

from __future__ import annotations

import pytest

from canary_pyt.reader import load

USUAL = """import sys
import canary
canary.directives.parameterize("p", list(range(10)))


def test():
    import time
    time.sleep(0)
    return 0


if __name__ == "__main__":
    sys.exit(test())
"""
MANY = "".join(f"a{i} = {i}\n" for i in range(400))

PURE = {
    "empty": "",
    "usual": USUAL,
    "import for the body": "import os\nimport time\n" + USUAL,
    "platform": "import sys\nx = sys.platform\n" + USUAL,
    "one-line guard": "import canary, time\ndef f(): time.time()\nif __name__ == '__main__': f()\n",
    "comprehension": "import canary\ncanary.directives.parameterize('a', [i for i in 'ab'])\n",
    "loop": "import canary\nd = canary.directives\nfor n in ('a', 'b'):\n    d.testname(n)\n",
    "from canary": "from canary import directives as d\nd.keywords('a')\n",
    "as": "import canary_pyt.directives as dd\ndd.keywords('a')\n",
    "names": "from canary_pyt.directives import cpus, keywords as kk\nkk('a')\ncpus(1)\n",
    "spaces": "import canary\ncanary.directives.parameterize('a,b', [(0, 1), (2, 3)],"
    " type=canary.random_parameter_space)\n"
    "canary.directives.parameterize('c,d', [(0, 1), (2, 3)],"
    " type=canary.enums.enums.random_parameter_space)\n",
    "method": "import os\nclass A:\n    def f(self): return os.getcwd()\n",
    "math": "import math, itertools\nfrom math import pi\nx = math.sqrt(4) + pi\n",
    "many names": MANY + "import os\n" + "".join(f"b{i} = a{i}\n" for i in range(400)) + USUAL,
    "submodule": "import os.path\nx = 1\n",
    "decorator": "import canary, os\nd = canary.directives\n@d.setup\ndef f(job): os.getcwd()\n",
}
IMPURE = {
    "environ": "import os\nx = os.environ\n",
    "from os": "from os import environ\nx = environ\n",
    "argv": "import sys\nx = sys.argv\n",
    "from sys": "from sys import argv\nx = argv\n",
    "modules": "import sys\nx = sys.modules\n",
    "called": "import canary\ndef f(): return 3\nf()\n",
    "bound twice": "import canary\ndef f(): return 3\nx = f()\nf = 1\n",
    "import rebound": "import os\nx = os.getcwd()\nos = 1\n",
    "comprehension": "import os\nx = [i for i in os.environ]\n",
    "in comprehension": "import os\nx = ['a' for i in [1] if os.getcwd()]\n",
    "generator": "import os\nx = list('a' for i in [1] if os.getcwd())\n",
    "builtin": "x = open\n",
    "star": "from os import *\n",
    "print": "print('x')\n",
    "time": "import time\nx = time.time()\n",
    "path": "import os.path as p\nx = p.exists('/')\n",
    "class body": "import os\nclass A:\n    x = os.getcwd()\n",
    "class made": "import os\nclass A:\n    def f(self): return os.getcwd()\nA().f()\n",
    "lambda": "import os\nf = lambda: os.getcwd()\n",
    "else of the guard": "import os\nif __name__ == '__main__': pass\nelse: os.getcwd()\n",
    "after the guard": "import os\nif __name__ == '__main__':\n    pass\nos.getcwd()\n",
    "not the library": "import pluggy\n",
    "other part of canary": "import canary\nx = canary.filesystem\n",
    "many names": MANY
    + "import os\n"
    + "".join(f"b{i} = a{i}\n" for i in range(400))
    + "z = os.getcwd()\n",
    "dynamic import": "x = __import__('os').getcwd()\n",
    "passed on": "import canary\nx = [canary]\n",
}


@pytest.mark.parametrize("text", PURE.values(), ids=PURE.keys())
def test_pure(write, text):
    assert load(write(text).file).cacheable


@pytest.mark.parametrize("text", IMPURE.values(), ids=IMPURE.keys())
def test_impure(write, text):
    assert not load(write(text).file).cacheable
