"""Entry points of hand-written programs, callable from tests."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit.codegen import support
from tracejit.codegen.entry import emit_entry, link
from tracejit.codegen.entry_arguments import parameters_of
from tracejit.codegen.llvm import Target, emit_kernel
from tracejit.ir.core import Value
from tracejit.ir.interface import Guard, Input, Output, Program
from tracejit.lower.loops import Lowered, Returned
from tracejit.runtime.effects import Callbacks
from tracejit.runtime.native_type import SLOW_OFFSET, native_subtype

from .native import LoopBuilder, build

F8, I8, F4, B1, C16 = (np.dtype(t) for t in ("f8", "i8", "f4", "?", "c16"))


class Slow:
    """What a call that the entry point did not take gives."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs

    def __repr__(self) -> str:
        return f"slow{self.args}{self.kwargs or ''}"


class _Base:
    __slots__ = ("keep",)

    def __call__(self, *args: Any, **kwargs: Any) -> Slow:
        return Slow(args, kwargs)


NATIVE = native_subtype(_Base)


def entry(
    like: Callable[..., Any],
    inputs: Sequence[Input],
    params: Sequence[Any],
    write: Callable[..., Sequence[Value]],
    returned: Sequence[Returned],
    output: Output,
    *,
    guards: Sequence[Guard] = (),
    relations: Sequence[Any] = (),
    symbols: Sequence[str] = (),
    extra: tuple[int, tuple[str, ...]] = (0, ()),
    then: Any = None,
    **options: Any,
) -> Any:
    """A callable with the signature of ``like``: ``params`` and ``write`` make the kernel as :func:`native.build` does.

    Calls that do not fit go to ``then``, another such callable, or give :class:`Slow`.
    """
    function = build(params, write)
    program = Program(function, tuple(symbols), tuple(inputs), tuple(guards), output, tuple(relations))
    lowered = Lowered(function, (), tuple(returned))
    kernel = emit_kernel(function, target=Target.host())
    callbacks = Callbacks(kernel.sites, kernel.effects)
    made = emit_entry(
        program,
        lowered,
        kernel,
        parameters_of(inspect.signature(like), *extra),
        make_error=callbacks.make_error,
        run_effect=callbacks.run_effect,
        slow_offset=SLOW_OFFSET,
        **options,
    )
    support.provide_bind()
    code = link(made, kernel, {})
    result: Any = NATIVE.type()
    result.keep = (code, made, then)
    result.slow = lambda *args, **kwargs: Slow(args, kwargs)
    if then is not None:
        import ctypes

        ctypes.c_void_p.from_address(code.address["next"]).value = then.keep[0].address["entry"]
    NATIVE.set_vectorcall(result, code.address["entry"])
    return result


def is_slow(result: Any) -> bool:
    return isinstance(result, Slow)


def sum_into(b: LoopBuilder, *buffers: Value) -> Value:
    """The sum of the first elements of some buffers."""
    from tracejit.ops import elementwise

    total = b.load(buffers[0], b.index(0))
    for buffer in buffers[1:]:
        total = b.apply(elementwise.add, total, b.load(buffer, b.index(0)))
    return total
