"""NumPy functions that NumPy itself writes in Python, in terms of other functions: their own source is traced.

So they do what the NumPy at hand does, in whatever it raises too. What happens in them happens, for errors, at the
user's call.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from tracejit.trace import routines
from tracejit.trace.context import current
from tracejit.trace.numpy_api.table import implements

NAMES = (
    "apply_over_axes", "bartlett", "blackman", "corrcoef", "cov", "cumulative_prod", "cumulative_sum",
    "diag_indices_from", "dsplit", "fix", "fromfunction", "geomspace", "gradient", "hamming", "hanning", "i0",
    "intersect1d", "iscomplex", "isin", "isneginf", "isposinf", "isreal", "logspace", "nanargmax",
    "nanargmin", "nancumprod", "nancumsum", "nanprod", "piecewise", "polyadd", "polyder", "polyint", "polysub",
    "put_along_axis", "real_if_close", "resize", "setdiff1d", "setxor1d", "sinc", "sort_complex",
    "tril_indices_from", "triu_indices_from", "union1d", "unravel_index", "unstack", "unwrap", "vander",
)  # fmt: skip


def _declare(function: Any, implementation: FunctionType) -> None:
    @implements(function, always=True)
    def traced(*args: Any, **kwargs: Any) -> Any:
        current().at()
        return routines.run_library(implementation, args, kwargs)


def _install() -> None:
    for name in NAMES:
        function: Callable[..., Any] | None = getattr(np, name, None)
        implementation = getattr(function, "_implementation", function)
        if isinstance(implementation, FunctionType):
            _declare(function, implementation)


_install()
