"""Prints everything about its interpreter that a script can see and that must be the same."""

import builtins
import os
import signal
import sys

AT_START = sorted(globals())
LOADED = set(sys.modules)

print("main", AT_START, __name__, __doc__, __file__, __package__, __spec__, __cached__)
print(type(__loader__), __loader__.name, __loader__.path, __builtins__ is builtins)
print("same", sys.modules["__main__"].__dict__ is globals())

import __main__

print(__main__.__file__, sys.argv, sys.orig_argv, sys.path)
for name in (
    "flags executable prefix base_prefix exec_prefix platlibdir _xoptions warnoptions api_version "
    "dont_write_bytecode pycache_prefix byteorder float_repr_style platform version path_hooks"
).split():
    print(name, str(getattr(sys, name)).replace("0x", ""))
print("meta", [getattr(x, "__name__", type(x).__name__) for x in sys.meta_path])
print("limits", sys.getrecursionlimit(), sys.getswitchinterval(), sys.getfilesystemencoding())
print(sys.getfilesystemencodeerrors(), sys.getdefaultencoding(), sys.gettrace(), sys.getprofile())
print("hooks", sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__)
print(sys.unraisablehook is sys.__unraisablehook__, sys.breakpointhook is sys.__breakpointhook__)
print("last", [n for n in ("last_type", "last_value", "last_traceback") if hasattr(sys, n)])
for stream in (sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__):
    buffer = stream.buffer
    print(stream.name, stream.mode, stream.encoding, stream.errors, stream.newlines)
    print(stream.line_buffering, stream.write_through, stream.fileno(), stream.isatty())
    print(type(buffer), buffer.raw.name, buffer.raw.mode, buffer.raw.closefd, stream.seekable())
print("same streams", sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__)
print("stdin", repr(sys.stdin.read()), os.readlink("/proc/self/fd/0"))
print("files", sorted(os.listdir("/proc/self/fd")))
print("inheritable", [os.get_inheritable(fd) for fd in range(3)])
print("blocking", [os.get_blocking(fd) for fd in range(3)])

print("ids", os.getpid() == os.getpgrp() == os.getsid(0), os.getcwd(), os.nice(0))
print("umask", os.umask(0), os.sched_getaffinity(0) == os.sched_getaffinity(os.getppid()))
print("handlers", [(n, str(signal.getsignal(n)).split(" at 0x")[0]) for n in range(1, 32)])
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
for name in ("Name", "SigBlk", "SigIgn", "SigCgt", "Threads", "CapEff", "Uid", "Gid", "Groups"):
    print(name, status[name].split())
print("limits", open("/proc/self/limits").read())

import gc

print("gc", gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks)
import threading

print("thread", threading.main_thread() is threading.current_thread(), threading.active_count())
print(threading.current_thread().name, threading.current_thread().ident == threading.get_ident())
print(threading.get_native_id() == os.getpid(), threading.gettrace(), threading.stack_size())
import warnings

print("warnings", warnings.filters)
import locale
import time

print("locale", locale.setlocale(locale.LC_ALL), locale.getlocale(), time.tzname, time.timezone)
import atexit
import faulthandler
import tracemalloc

print("atexit", atexit._ncallbacks(), faulthandler.is_enabled(), tracemalloc.is_tracing())
import io

print("buffers", io.DEFAULT_BUFFER_SIZE, os.fstat(1).st_blksize)
print("builtins", sorted(vars(builtins)))
import resource

print("children", resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime)
for name, value in sorted(os.environ.items()):
    print("env", name, "set" if name == "CANARY_JOB" else repr(value))
import subprocess

seen = subprocess.run(["env", "-0"], capture_output=True, text=True).stdout.split("\0")
print("environ", sorted(x for x in seen if not x.startswith("CANARY_JOB=")))
import site

print("site", site.getsitepackages(), site.ENABLE_USER_SITE, site.USER_SITE)
import multiprocessing

print("methods", multiprocessing.get_start_method(), multiprocessing.current_process().name)
print("frame", sys._getframe().f_code.co_filename, sys._getframe().f_code.co_name)
