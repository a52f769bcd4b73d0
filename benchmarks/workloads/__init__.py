"""The rows of the benchmarks, as data. A new row is a new `Workload` in one of the lists gathered here."""

from benchmarks.workload import Workload
from benchmarks.workloads import derivatives, dispatch, elementwise, lanes, matmul, programs, reductions

WORKLOADS: list[Workload] = [
    *dispatch.WORKLOADS,
    *programs.WORKLOADS,
    *elementwise.WORKLOADS,
    *reductions.WORKLOADS,
    *matmul.WORKLOADS,
    *lanes.WORKLOADS,
    *derivatives.WORKLOADS,
]
