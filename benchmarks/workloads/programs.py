"""The demo programs, shared by every framework that takes a NumPy program as it stands."""

from functools import partial

from benchmarks.workload import NUMPY_PROGRAM, Workload
from tracejit.demos import PROGRAMS, Program

#: Programs of scalar loops that are held to parity with Numba: at most 1.15 times its time.
SCALAR = ("collatz", "monte_carlo_pi", "levenshtein", "sieve", "nbody", "newton")
PARITY = 1.15
NOT_SLOWER = 1.0


def workload(group: str, program: Program, limit: float) -> Workload:
    """The row that times a demo program on its small inputs."""
    return Workload(
        group,
        program.name,
        program.function,
        partial(program.make_inputs, "small", 1),
        NUMPY_PROGRAM if program.numba else ("numpy", "tracejit"),
        limits={"numba": limit} if program.numba else {},
        tolerance=program.tolerance,
    )


WORKLOADS = [workload("scalar", program, PARITY) for program in PROGRAMS if program.name in SCALAR]
WORKLOADS += [workload("programs", program, NOT_SLOWER) for program in PROGRAMS if program.name not in SCALAR]
