"""Scripts that do something odd: `ODD` is {what it is: its text}."""

# name -> a script; what it prints, writes and exits with is compared
ODD = {
    "nothing": "",
    "exit 0": "import sys; sys.exit(0)",
    "exit None": "import sys; sys.exit()",
    "exit 3": "import sys; sys.exit(3)",
    "exit 256": "import sys; sys.exit(256)",
    "exit 300": "import sys; sys.exit(300)",
    "exit -1": "import sys; sys.exit(-1)",
    "exit True": "import sys; sys.exit(True)",
    "exit of a big number": "import sys; sys.exit(1 << 80)",
    "exit text": "import sys; print('out'); sys.exit('it is wrong: ü')",
    "exit other": "import sys; sys.exit([1, None])",
    "exit tuple": "import sys; sys.exit((64,))",
    "exit tuple of two": "import sys; sys.exit((64, 1))",
    "exit tuple of none": "import sys; sys.exit(())",
    "exit tuple in a function": "from sys import exit\ndef f(): return (0,)\nexit(f())",
    "exit tuple that is caught": """
        import sys
        try:
            sys.exit((64,))
        except SystemExit as e:
            print(e.code, e.args)
        raise SystemExit((65,))
    """,
    "exit tuple by hand": "raise SystemExit((64,))",
    "exit error": "import sys; sys.exit(ValueError('x'))",
    "exit error by hand": "raise SystemExit(ValueError('x'))",
    "exit exit": "import sys; sys.exit(SystemExit(3))",
    "exit exit by hand": "raise SystemExit(SystemExit(3))",
    "exit of two": """
        import sys
        try:
            sys.exit(1, 2)
        except TypeError as e:
            print(e)
    """,
    "exit itself": """
        import copy, pickle, sys
        class A: leave = sys.exit
        print(sys.exit, callable(sys.exit), sys.exit.__name__, sys.exit.__doc__, sys.exit.__module__)
        assert pickle.loads(pickle.dumps(sys.exit)) is copy.copy(sys.exit) is sys.exit
        A().leave(3)
    """,
    "exit float": "import sys; sys.exit(2.0)",
    "exit whose text fails": "class E:\n def __str__(self): 1/0\nimport sys; sys.exit(E())",
    "exit in a function": "def f(): raise SystemExit(7)\ntry: f()\nfinally: print('finally')",
    "exit of a subclass": "class E(SystemExit): pass\nraise E(9)",
    "builtin exit": "exit(4)",
    "hard exit": "import os; print('lost'); os._exit(5)",
    "error": "def f(x):\n    return 1 / x\nprint('before')\nf(0)",
    "error with a cause": "try: 1/0\nexcept Exception as e: raise ValueError('second') from e",
    "error with a context": "try: 1/0\nexcept Exception: {}['key']",
    "error with a note": "e = ValueError('x')\nif hasattr(e, 'add_note'): e.add_note('noted')\nraise e",
    "error in an import": "import nothing_of_that_name",
    "error at depth": "def f(n): return f(n - 1) + 1\nf(100000)",
    "error whose text fails": "class E(Exception):\n def __str__(self): 1/0\nraise E",
    "base exception": "raise BaseException('base')",
    "generator exit": "raise GeneratorExit",
    "interrupt": "raise KeyboardInterrupt",
    "interrupt by signal": "import os, signal; os.kill(os.getpid(), signal.SIGINT)\nprint('not so')",
    "interrupt that is caught": """
        import os, signal
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            print("caught")
    """,
    "term": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "broken pipe": """
        import os
        r, w = os.pipe()
        os.close(r)
        try:
            os.write(w, b"x")
        except BrokenPipeError:
            print("an error, not a signal")
    """,
    "abort": "import os; os.abort()",
    "hook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__, a[2].tb_lineno)\n1/0",
    "hook that fails": "import sys\ndef hook(*a): raise KeyError('hook')\nsys.excepthook = hook\n1/0",
    "hook that exits": "import sys\nsys.excepthook = lambda *a: sys.exit(6)\n1/0",
    "hook that is gone": "import sys\ndel sys.excepthook\n1/0",
    "hook that sees last": """
        import atexit, sys
        atexit.register(lambda: print(sys.last_type, sys.last_value, sys.last_traceback.tb_lineno))
        1 / 0
    """,
    "at exit": """
        import atexit
        atexit.register(print, "first")
        atexit.register(print, "second")
        @atexit.register
        def f():
            raise ValueError("in a callback")
        print("body")
    """,
    "at exit with an exit": "import atexit, sys\natexit.register(sys.exit, 8)\nsys.exit(3)",
    "thread": """
        import threading
        go = threading.Event()
        def work():
            go.wait()
            print("thread done")
        threading.Thread(target=work).start()
        threading.Timer(0.05, go.set).start()
        print("main done")
    """,
    "thread that fails": "import threading\nt = threading.Thread(target=lambda: 1/0, name='T')\nt.start()\nt.join()",
    "daemon thread": """
        import threading, time
        threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
        print("main done")
    """,
    "pool": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)
        futures = [pool.submit(pow, 2, n) for n in range(5)]
        print([f.result() for f in futures])
    """,
    "an object that says goodbye": """
        class A:
            def __init__(self, name): self.name = name
            def __del__(self): print("bye", self.name)
        a = A("a")
        _b = A("b")
        def f(x=A("default")): return a
        class B:
            c = A("of a class")
        cycle = [A("cycle")]
        cycle.append(cycle)
        print("end")
    """,
    "a file left open": "f = open('left', 'w')\nf.write('text')\nprint('done')",
    "a file left open in a function": "f = open('left', 'w')\ndef g(): return f\nf.write('text' * 5000)",
    "a module that says goodbye": """
        open("other.py", "w").write('''
class A:
    def __del__(self): print("bye from other")
a = A()
def f(): return a
''')
        import other
        print(other.f())if 0 else print("imported")
    """,
    "a generator left": "def g():\n try: yield\n finally: print('closed')\nx = g()\nnext(x)",
    "a weak reference": "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, print, 'finalized')",
    "output without end of line": "import sys\nsys.stdout.write('no end')\nsys.stderr.write('err')",
    "output of all kinds": """
        import os, sys
        print("1 print")
        os.write(1, b"2 write\\n")
        sys.stdout.flush()
        sys.stdout.buffer.write(b"3 bytes \\xff\\n")
        print("4 error", file=sys.stderr)
        os.system("echo 5 shell")
        sys.__stdout__.write("6 original\\n")
    """,
    "output that cannot be encoded": "print('\\ud800')",
    "error output that cannot be encoded": "import sys; print('\\ud800', file=sys.stderr)",
    "output to a closed stream": "import sys\nsys.stdout.close()\nprint('x')",
    "stdout set to None": "import sys\nsys.stdout = None\nprint('x')",
    "stdout replaced": "import io, sys\nsys.stdout = io.StringIO()\nprint('not seen')",
    "stdout closed below": "import os\nprint('x')\nos.close(1)",
    "full device": "import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), 1)\nprint('x')",
    "position": "import sys\nprint('12345')\nprint(sys.stdout.tell())",
    "input": "print(repr(input('? ')))",
    "fork": """
        import os, sys
        print("before")
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """,
    "multiprocessing fork": """
        import multiprocessing
        def work(n): return n * n
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(work, range(5)))
    """,
    "multiprocessing spawn": """
        import multiprocessing, os
        def work(q, n): q.put((n * n, __name__, os.path.basename(__file__)))
        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            q = context.Queue()
            p = context.Process(target=work, args=(q, 7))
            p.start()
            print(q.get())
            p.join()
            print(p.exitcode)
    """,
    "subprocess of itself": """
        import subprocess, sys
        if len(sys.argv) > 1:
            sys.exit(print("child", sys.argv[1:], sys.flags))
        subprocess.run([sys.executable, __file__, "again"], check=True)
    """,
    "executing another program": "import os; os.execvp('echo', ['echo', 'replaced'])",
    "signal from a timer": """
        import signal
        def handler(number, frame): raise TimeoutError(number)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            signal.pause()
        except TimeoutError as e:
            print("alarm", e)
    """,
    "asyncio": "import asyncio\nasync def f():\n await asyncio.sleep(0)\n print('ran')\nasyncio.run(f())",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass A:\n x: int = 1\nprint(A(2), A.__module__)",
    "pickle": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A, A.__module__)",
    "annotations": "x: int = 1\nprint(__annotations__)",
    "own name": "print(__name__, __file__, __doc__)\nimport __main__\nprint(__main__.__name__)",
    "docstring": "'''What it is.'''\nprint(__doc__)",
    "inspect": "import inspect\ndef f(): pass\nprint(inspect.getsource(f), inspect.getfile(f) == __file__)",
    "traceback of now": "import traceback\ndef f(): print(traceback.extract_stack()[-1])\nf()",
    "warning": "import warnings\nwarnings.warn('careful')\nwarnings.warn('old', DeprecationWarning)",
    "warning of the compiler": "print(1 is 1)",
    "warning of a file left": "import warnings\nwarnings.simplefilter('always')\nopen('x', 'w')",
    "recursion of imports": "import json, re, enum, typing, unittest, logging\nprint(json.dumps([1]))",
    "logging": "import logging\nlogging.warning('w')\nlogging.basicConfig(force=True)\nlogging.error('e')",
    "unittest": """
        import unittest
        class T(unittest.TestCase):
            def test_good(self): pass
            def test_bad(self): self.assertEqual(1, 2)
        if __name__ == "__main__":
            unittest.main()
    """,
    "ctypes": "import ctypes\nctypes.CDLL(None).puts(b'from C')\nprint('from Python')",
    "compiled code of ours": "import _struct, _json, math\nprint(math.pi)",
    "relative import": "from . import x",
    "import of itself": "import sys\nprint(sys.modules.get('script') is None)",
    "next to it": "open('beside.py', 'w').write('x = 1')\nimport beside\nprint(beside.x, beside.__file__)",
    "hash of a text is stable in a run": "print(hash('x') == hash('x'))",
    "randomness": "import random, os, uuid\nprint(len({random.random() for _ in range(9)}))",
    "syntax error": "print('x'\nfor",
    "indentation": "if True:\nprint(1)",
    "null byte": "print('a')\0",
    "not text": "x = '\udcff'",
    "coding": "# -*- coding: latin-1 -*-\nprint('\udce4')",
    "unknown coding": "# -*- coding: nowhere -*-\nprint(1)",
    "byte order mark": "\ufeffprint('bom')",
    "line ends": "print(1)\r\nprint('''a\r\nb''')\r\n",
    "interpreter line": "#!/usr/bin/env python3\nprint(__file__)",
    "future": "from __future__ import annotations\nx: nothing = 1\nprint(__annotations__)",
    "star import": "from os.path import *\nprint(join('a', 'b'))",
    "deep nesting": "x = " + "(" * 90 + "1" + ")" * 90 + "\nprint(x)",
    "too deep nesting": "x = " + "(" * 300 + "1" + ")" * 300,
    "faulthandler": "import faulthandler, sys\nfaulthandler.enable()\nprint(faulthandler.is_enabled())",
    "settrace": "import sys\nsys.settrace(lambda *a: None)\nprint('traced')",
    "memory": "import tracemalloc\ntracemalloc.start()\nx = [1] * 1000\nprint(tracemalloc.is_tracing())",
    "chdir": "import os\nos.chdir('/')\nprint(os.getcwd(), __file__)",
    "umask": "import os\nos.umask(0o077)\nopen('secret', 'w').close()\nprint(oct(os.stat('secret').st_mode))",
    "environment": "import os\nos.environ['NEW'] = 'x'\nos.system('echo $NEW')\nprint(os.getenv('HOME'))",
    "sys.exit in a thread": "import sys, threading\nt = threading.Thread(target=sys.exit, args=(3,))\nt.start()\nt.join()\nprint('on')",
    "locals are globals": "print(locals() is globals(), vars() is globals())",
    "main is itself": "import sys\nprint(sys.modules['__main__'].__dict__ is globals())",
    "interactive": "import sys\nprint(hasattr(sys, 'ps1'), sys.flags.interactive, sys.flags.inspect)",
    "inspect on request": "import os\nos.environ['PYTHONINSPECT'] = '1'\nprint('x')",
    "time": "import time\nprint(time.process_time() < 5, time.thread_time() < 5)",
    "sqlite": "import sqlite3\nc = sqlite3.connect('db')\nc.execute('create table t(x)')\nc.commit()\nprint(1)",
    "temporary files": "import tempfile\nt = tempfile.TemporaryDirectory()\nprint(bool(t.name))",
    "sockets": "import socket\na, b = socket.socketpair()\na.send(b'x')\nprint(b.recv(1))",
    "canary": "import canary\nprint(canary.version_info, canary.__file__)",
}
