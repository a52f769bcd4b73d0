"""Python's own words about operations that do not exist: what it says of values of the same types as traced ones."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.scalars import ScalarTracer, type_name, type_of
from tracejit.trace.tracer import Tracer

_PLAIN = (
    type(None), str, bytes, bool, int, float, complex, np.generic, np.ndarray, list, tuple, dict, set, frozenset, range,
)  # fmt: skip


def sample(x: Any) -> Any:
    """Something of the same type as ``x``."""
    if isinstance(x, ScalarTracer):
        return type_of(x.alternatives[0])(1)
    if isinstance(x, ArrayTracer):
        return np.ones((1,) * x.ndim, x.dtype)
    if type(x) is list or type(x) is tuple:
        return type(x)(map(sample, x))
    return "" if isinstance(x, Tracer) else x


def type_text(x: Tracer) -> str:
    """The class of what a traced value stands for, as messages name it."""
    if isinstance(x, ScalarTracer):
        return type_name(x)
    return "numpy.ndarray" if isinstance(x, ArrayTracer) else type(sample(x)).__name__


def complain(operation: Callable[..., Any], *operands: Any) -> None:
    """Raise what Python raises when ``operation`` does not exist for these operands.

    Raises:
        TypeError: It names the types that traced values stand for.
    """
    samples = [sample(x) for x in operands]
    if all(isinstance(x, _PLAIN) for x in samples):
        operation(*samples)


def complain_binary(name: str, x: Any, y: Any) -> None:
    """The same for a binary operator: ``"add"``."""
    complain(divmod if name == "divmod" else getattr(operator, f"__{name}__"), x, y)


def said_by(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Exception | None:
    """What ``function`` raises for arguments of these types."""
    try:
        function(*map(sample, args), **{k: sample(v) for k, v in kwargs.items()})
    except (TypeError, ValueError, IndexError) as error:
        return error.with_traceback(None)
    return None


def refuse_arguments(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], why: str) -> Exception:
    """What to raise when ours does not take arguments, which it said ``why``: what ``function`` says of them, if it is
    an error too."""
    from tracejit.trace.numpy_api import name_of

    said = said_by(function, args, kwargs)
    if isinstance(said, TypeError):
        return said
    keyword = re.search(r"unexpected keyword argument '(\w+)'", why)
    what = f"{name_of(function)}({keyword[1]}=...)" if keyword else f"{name_of(function)} with these arguments"
    return UnsupportedError(f"{what} is not supported yet")
