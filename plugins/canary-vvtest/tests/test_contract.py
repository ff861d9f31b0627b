"""The contract of every test format."""

from __future__ import annotations

from canary.testing.generators import GeneratorContract
from canary_vvtest.generator import VvtGenerator


class TestVvt(GeneratorContract):
    generator = VvtGenerator
    good = {
        "plain.vvt": "",
        "shell.vvt": "#!/bin/sh\n#VVT: keywords : x\necho\n",
        "sub/rows.vvt": (
            "#VVT: parameterize (autotype) : dt,np = 1.00e-2,1 inf,2\n"
            "#VVT: parameterize : s = 'a b' c\n"
            "#VVT: analyze\n"
            "#VVT: keywords (platforms=linux) : x\n"
            "#VVT: copy : in$np.txt\n"
            "#VVT: depends on (result=pass or diff) : plain\n"
            "#VVT: set_attribute : a=b\n"
        ),
        "masked.vvt": "#VVT: skipif (reason=so) : True\n#VVT: enable : false\n",
        "made.vvt": "#VVT: parameterize (generator) : echo '[{\"a\": 1}]'\n",
    }
    bad = {
        "unknown.vvt": "#VVT: frobnicate\n",
        "open.vvt": "#VVT: keywords (options=a : x\n",
        "string.vvt": "'''\n",
        "rows.vvt": "#VVT: parameterize : a,b = 1\n",
        "name.vvt": "#VVT: copy : {nothing}\n",
        "twice.vvt": "#VVT: testname : a\n#VVT: testname : a\n",
        "include.vvt": "#VVT: include : include.vvt\n",
    }
