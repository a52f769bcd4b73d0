"""The conditions a benchmark runs under: one core, one thread, NumPy's BLAS at its best; and which machine it was."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

# Libraries read these when they are loaded, so they must stand in the environment before the first import.
SINGLE_THREADED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
# Forces OpenBLAS to kernels of an older processor, which would make NumPy look slow.
UNWANTED = ("OPENBLAS_CORETYPE",)


def ensure_environment() -> None:
    """Start this process again with the wanted environment variables, unless they are set already."""
    wanted = {key: value for key, value in os.environ.items() if key not in UNWANTED} | SINGLE_THREADED
    if wanted != dict(os.environ):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], wanted)


def pin_to_one_core() -> str:
    """Keep this process on one core where the system can do that; say which."""
    if sys.platform != "linux":
        return "not pinned (this system cannot)"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def processor() -> str:
    """The model of the processor, as the system names it."""
    if sys.platform == "linux":
        with open("/proc/cpuinfo") as file:
            facts = dict(line.split(":", 1) for line in file if ":" in line)
        for key, value in facts.items():
            if key.strip() == "model name":
                family = {name.strip(): number.strip() for name, number in facts.items()}
                return f"{value.strip()} (family {family.get('cpu family')}, model {family.get('model')})"
    return platform.processor() or platform.machine()


def facts(pinned: str, packages: list[str]) -> list[str]:
    """The machine and the versions that figures belong to, one line each."""
    installed = []
    for package in packages:
        try:
            installed.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            installed.append(f"{package} not installed")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return [
        f"{processor()}, {os.cpu_count()} cores, {pinned}, one thread{load}",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        ", ".join(installed),
        "`OPENBLAS_CORETYPE` unset",
    ]
