"""Our own elementary functions as text LLVM IR, for float32 and float64, scalars and explicit vectors.

`definition(name, dtype, width)` gives one LLVM function. A code generator collects the definitions its module calls
(`collect` adds what they call in turn), writes their text and declarations into the module once, and calls them by
symbol. Ordinary functions are marked `alwaysinline`, rare paths `noinline cold`.

What they promise: special values as C99 and NumPy have them (no `errno`, no floating-point flags to rely on); errors
within a few units in the last place (the tests state the bound of each); and the same bits for a number whether it is
computed alone or in a lane of a vector of any width.

To add a function: write it on `Value`s in the module of its family, add it to `FUNCTIONS`, add its polynomial to
tools/fit_vmath.py if it needs one, and its accuracy to tests/codegen/test_vmath.py.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable

from tracejit.codegen.vmath import exponential, inverse_trigonometric, logarithm, power, trigonometric
from tracejit.codegen.vmath.emitter import Emitter, Value, symbol
from tracejit.record import record

__all__ = ["FUNCTIONS", "Key", "MathDef", "collect", "definition", "module_text"]

Key = tuple[str, str, int]
"""(name, dtype, width): the arguments of `definition`."""

FUNCTIONS: dict[str, Callable[..., Value]] = {
    "exp": exponential.exp,
    "expm1": exponential.expm1,
    "sinh": exponential.sinh,
    "cosh": exponential.cosh,
    "tanh": exponential.tanh,
    "log": logarithm.log,
    "log1p": logarithm.log1p,
    "log2": logarithm.log2,
    "log10": logarithm.log10,
    "pow": power.pow,
    "cbrt": power.cbrt,
    "hypot": power.hypot,
    "sin": trigonometric.sin,
    "cos": trigonometric.cos,
    "tan": trigonometric.tan,
    "asin": inverse_trigonometric.asin,
    "acos": inverse_trigonometric.acos,
    "atan": inverse_trigonometric.atan,
    "atan2": inverse_trigonometric.atan2,
}
"""The public functions by name: each takes an `Emitter` and one `Value` per operand."""

_RARE: dict[str, Callable[..., list[Value]]] = {"reduce_large": trigonometric.reduce_large}
"""Helpers for rare arguments, written for scalars; their vector forms loop over the lanes."""


@record(frozen=True)
class MathDef:
    """One LLVM function.

    Attributes:
        symbol: its name, without the `@`.
        text: its definition. Operands and result are of the vector type of (dtype, width); width 1 is the scalar type.
        declares: the `declare` lines it needs in its module.
        requires: the other definitions it needs in its module.
        arity: how many operands it takes.
    """

    symbol: str
    text: str
    declares: frozenset[str]
    requires: tuple[Key, ...]
    arity: int


@functools.cache
def definition(name: str, dtype: str, width: int) -> MathDef:
    """The LLVM function for `name` on `dtype` ("f32" or "f64"), for vectors of `width` lanes (1: a scalar).

    Raises:
        KeyError: there is no such function or dtype.
        ValueError: the width is not a power of two.
    """
    if width < 1 or width & (width - 1):
        raise ValueError(f"vector width {width} is not a power of two")
    if name in _RARE:
        return _rare_definition(name, dtype, width)
    function = FUNCTIONS[name]
    parameters = list(inspect.signature(function).parameters)[1:]
    e = Emitter(dtype, width, parameters)
    result = function(e, *e.parameters)
    return _finish(e, name, e.vector(result.type), f"{e.vector(result.type)} {result.text}", "alwaysinline")


def _finish(e: Emitter, name: str, result_type: str, result: str, attributes: str) -> MathDef:
    dtype = e.format.name
    name_in_text = symbol(name, dtype, e.width)
    parameters = ", ".join(f"{e.vector(p.type)} {p.text}" for p in e.parameters)
    body = "\n".join(e.body)
    return MathDef(
        symbol=name_in_text,
        text=f"define internal {result_type} @{name_in_text}({parameters}) {attributes} nounwind readnone {{\n"
        f"{body}\n  ret {result}\n}}\n",
        declares=frozenset(e.declares),
        requires=tuple((r, dtype, e.width) for r in dict.fromkeys(e.requires)),
        arity=len(e.parameters),
    )


def _rare_definition(name: str, dtype: str, width: int) -> MathDef:
    """A scalar helper, or for vectors a loop over the lanes with the helper's body."""
    if width == 1:
        e = Emitter(dtype, 1, ["x"])
        results = _RARE[name](e, *e.parameters)
        texts = [r.text for r in results]
    else:
        e = Emitter(dtype, 1, ["lane"])
        e.body += ["  br label %loop", "loop:", "  %i = phi i32 [ 0, %entry ], [ %next, %loop ]"]
        of_result = len(e.body)
        e.body.append(f"  %lane = extractelement <{width} x {e.format.real}> %x, i32 %i")
        results = _RARE[name](e, *e.parameters)
        e.width, e.parameters = width, [Value(e, e.format.real, "%x")]
        texts = [f"%set{k}" for k in range(len(results))]
        for k, r in enumerate(results):
            vector = e.vector(r.type)
            e.body.insert(of_result, f"  %all{k} = phi {vector} [ zeroinitializer, %entry ], [ %set{k}, %loop ]")
            e.body.append(f"  %set{k} = insertelement {vector} %all{k}, {r.type} {r.text}, i32 %i")
        e.body += [
            "  %next = add i32 %i, 1",
            f"  %more = icmp ult i32 %next, {width}",
            "  br i1 %more, label %loop, label %done",
            "done:",
        ]
    struct = "{" + ", ".join(e.vector(r.type) for r in results) + "}"
    whole = "undef"
    for k, (r, text) in enumerate(zip(results, texts)):
        whole = e.line("struct", f"insertvalue {struct} {whole}, {e.vector(r.type)} {text}, {k}").text
    return _finish(e, name, struct, f"{struct} {whole}", "noinline cold")


def collect(keys: Iterable[Key]) -> list[MathDef]:
    """The definitions of `keys` and of everything they require, each once, in a stable order."""
    found: dict[Key, MathDef] = {}
    pending = list(keys)[::-1]
    while pending:
        key = pending.pop()
        if key not in found:
            found[key] = definition(*key)
            pending += found[key].requires[::-1]
    return list(found.values())


def module_text(keys: Iterable[Key]) -> str:
    """The text to put into a module that calls the functions of `keys`: declarations, then definitions."""
    definitions = collect(keys)
    declares = sorted(set().union(*(d.declares for d in definitions)))
    return "\n".join([*declares, *(d.text for d in definitions)]) + "\n"
