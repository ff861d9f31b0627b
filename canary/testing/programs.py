"""Programs that do what launchers have to cope with, as texts for `python -c`."""

# leaves a sleeping process, which has left its session and its parent, its number in a file
DAEMON = """
import os, sys
out = sys.argv[1]
if os.fork():
    while not os.path.exists(out):  # until it is an orphan in a session of its own
        pass
    while open("/proc/%s/comm" % open(out).read()).read().strip() != "sleep":
        pass
    os._exit(int(sys.argv[2]))
os.setsid()
if os.fork():
    os._exit(0)
while os.getppid() == os.getpgid(0):
    pass
with open(out + "~", "w") as f:
    f.write(str(os.getpid()))
os.rename(out + "~", out)
environ = os.environ if sys.argv[3] == "marked" else {}
os.execve("/bin/sleep", ["sleep", "300"], environ)
"""
