"""Which MPI is which, from what programs say, recorded and live."""

from __future__ import annotations

import pytest

from canary_mpi import flavour
from canary_mpi.flavour import INTEL, MPICH, OPENMPI, SRUN, UNKNOWN

SAID = {
    "mpiexec (Open MPI) 5.0.11\n\nReport bugs to https://www.open-mpi.org/": (OPENMPI, 5),
    "mpiexec.openmpi (OpenRTE) 4.1.4\n\nReport bugs to http://www.open-mpi.org/": (OPENMPI, 4),
    "HYDRA build details:\n    Version:                                 5.0.2\n": (MPICH, 5),
    "Intel(R) MPI Library for Linux* OS, Version 2021.18.1 Build 20251010\n": (INTEL, 2021),
    "slurm-wlm 22.05.8\n": (SRUN, 22),
    "slurm 23.11.4\n": (SRUN, 23),
    "my own starter, version 1\n": (UNKNOWN, 0),
    "": (UNKNOWN, 0),
}
LINKED = {
    "\tlibmpi.so.40 => /usr/lib/libmpi.so.40 (0x0)\n\tlibc.so.6 => /lib/libc.so.6 (0x0)\n": OPENMPI,
    "\tlibhdf5.so.103 => /x (0x0)\n\tlibopen-pal.so.40 => /x (0x0)\n": OPENMPI,
    "\tlibmpich.so.12 => /usr/lib/libmpich.so.12 (0x0)\n": MPICH,
    "\tlibmpi.so.12 => /opt/intel/libmpi.so.12 (0x0)\n": MPICH,
    "\tlibmpi_gnu_123.so.12 => /opt/cray/x (0x0)\n": MPICH,
    "\tlibc.so.6 => /lib/libc.so.6 (0x0)\n\tlibmpifr.so.1 => /x (0x0)\n": UNKNOWN,
    "\tnot a dynamic executable\n": UNKNOWN,
}


@pytest.mark.parametrize("text", SAID)
def test_what_programs_say_of_themselves(text):
    assert flavour.read_version(text) == SAID[text]


@pytest.mark.parametrize("text", LINKED)
def test_what_programs_are_linked_with(text):
    assert flavour.read_libraries(text) == LINKED[text]


def test_the_mpi_of_this_machine(mpi, environment):
    path = flavour.find(f"mpiexec.{mpi.kind}", environment["PATH"])
    starter = flavour.recognise(path)
    assert starter.kind == mpi.kind
    assert starter.version >= 3
    assert flavour.linked_with(mpi.program, environment) == mpi.kind


def test_a_program_is_asked_once_until_it_changes(tmp_path):
    program, asked = tmp_path / "mpiexec", tmp_path / "asked"
    script = "#!/bin/sh\necho x >>%s\necho 'mpiexec (OpenRTE) %s.0.0'\n"
    program.write_text(script % (asked, 4))
    program.chmod(0o755)
    assert [flavour.recognise(str(program)).version for _ in range(3)] == [4, 4, 4]
    assert asked.read_text() == "x\n"
    program.write_text(script % (asked, 5))
    assert flavour.recognise(str(program)).version == 5


def test_scripts_are_linked_with_nothing(tmp_path, monkeypatch):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert flavour.linked_with("script", environ) == UNKNOWN
    assert flavour.linked_with("is-not-there", environ) == UNKNOWN
