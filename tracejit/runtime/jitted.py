"""The compiled callable that ``jit`` gives back.

A :class:`Jitted` is the same object from decoration on. Until its first call it is a thin Python object; the first
call loads the compiler, and from then on its vectorcall slot points to native code. Calls that no compiled version
takes come back to :meth:`Jitted._call_slow`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar

from tracejit import config
from tracejit.runtime.native_type import native_subtype

if TYPE_CHECKING:
    from tracejit.runtime.dispatcher import Dispatcher
    from tracejit.runtime.options import Options

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Stats(NamedTuple):
    """What :meth:`Jitted.stats` tells.

    Attributes:
        versions: How many compiled versions there are.
        compilations: How many times the function has been compiled.
        trace_seconds: Time spent tracing it.
        lower_seconds: Time spent optimising and lowering the program.
        compile_seconds: Time spent making native code.
    """

    versions: int
    compilations: int
    trace_seconds: float
    lower_seconds: float
    compile_seconds: float


class JittedBase(Generic[P, R]):
    """A Python function compiled to native code; made by :func:`tracejit.jit`.

    Call it as you would call the function. ``__wrapped__`` is the function itself.
    """

    __slots__ = ("_dispatcher", "_options")

    slow: Callable[..., Any]
    __wrapped__: Callable[P, R]
    __dict__: dict[str, Any]

    def _set_up(self, function: Callable[P, R], options: Options) -> None:
        functools.update_wrapper(self, function)
        self._options = options
        self._dispatcher: Dispatcher | None = None
        plain = config.current().disable and getattr(function, "is_plain", True)
        self.slow = function if plain else self._call_slow

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result: R = self.slow(*args, **kwargs)
        except BaseException as error:
            _strip(error)
            raise
        return result

    def _call_slow(self, /, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._dispatch().call(args, kwargs)
        except BaseException as error:
            _strip(error)
            raise

    def _dispatch(self) -> Dispatcher:
        if self._dispatcher is None:
            from tracejit.runtime import dispatcher

            with dispatcher.compile_lock:
                if self._dispatcher is None:
                    install = functools.partial(_NATIVE.set_vectorcall, self)
                    self._dispatcher = dispatcher.Dispatcher(self.__wrapped__, self._options, install)
        return self._dispatcher

    # --- looking inside
    def ir(self, /, *args: Any, stage: str = "optimized", **kwargs: Any) -> str:
        """The program that a call with these arguments runs, as text. Nothing is compiled or run.

        Args:
            stage: ``"traced"`` as recorded, ``"optimized"``, ``"fused"`` (array operations grouped into loops) or
                ``"loops"`` (the loop level).

        Raises:
            ValueError: There is no such stage.
            TracejitError: What a call would raise that cannot be compiled.

        Example:
            >>> import tracejit
            >>> print(tracejit.jit(lambda x: x * x).ir(1.5).rstrip())
            func lambda_(%0: f64) ...{
              %1: f64 = mul %0, %0
              return %1
            }
        """
        with _Stripping():
            return str(self._dispatch().program_at(stage, args, kwargs))

    def llvm(self, /, *args: Any, **kwargs: Any) -> str:
        """The LLVM IR, after LLVM's optimiser, of the native code for a call with these arguments.

        The function is compiled for them if it has not been; it is not run.

        Raises:
            TracejitError: What a call would raise that cannot be compiled.

        Example:
            >>> import tracejit
            >>> "fmul double" in tracejit.jit(lambda x: x * x).llvm(1.5)
            True
        """
        with _Stripping():
            return self._dispatch().version_for(args, kwargs).native.code.llvm

    def asm(self, /, *args: Any, **kwargs: Any) -> str:
        """The assembly of the native code for a call with these arguments.

        The function is compiled for them if it has not been; it is not run.

        Raises:
            TracejitError: What a call would raise that cannot be compiled.

        Example:
            >>> import tracejit
            >>> ".text" in tracejit.jit(lambda x: x * x).asm(1.5)
            True
        """
        with _Stripping():
            return self._dispatch().version_for(args, kwargs).native.code.asm

    def explain(self) -> str:
        """Which versions there are, for which arguments, and why each was compiled; also how each ``vmap`` runs the
        lanes: all at once by batching rules, or in a loop, as vectors of so many or one lane at a time, and why.

        Example:
            >>> import tracejit
            >>> square = tracejit.jit(lambda x: x * x)
            >>> square(2), square(1.5)
            (4, 2.25)
            >>> print(square.explain())
            <lambda>: 2 versions
            1. first call  (... ms)
               x: int
            2. x: int -> float  (... ms)
               x: float
        """
        from tracejit.runtime import explain

        dispatcher = self._dispatcher
        return explain.report(self._name, dispatcher.versions if dispatcher is not None else ())

    def stats(self) -> Stats:
        """How often the function was compiled, and what that cost.

        Example:
            >>> import tracejit
            >>> square = tracejit.jit(lambda x: x * x)
            >>> square(2), square(3), square.stats().compilations
            (4, 9, 1)
        """
        versions = self._dispatcher.versions if self._dispatcher is not None else []
        times = [v.times for v in versions]
        return Stats(
            len(versions),
            len(versions),
            sum(t.trace for t in times),
            sum(t.lower for t in times),
            sum(t.compile for t in times),
        )

    # --- being an ordinary object
    @property
    def _name(self) -> str:
        return str(getattr(self.__wrapped__, "__qualname__", self.__wrapped__))

    def __repr__(self) -> str:
        return f"<compiled function {self._name}>"

    def __copy__(self) -> JittedBase[P, R]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> JittedBase[P, R]:
        return self  # as functions are

    def __reduce__(self) -> Any:
        if _importable(self):
            return str(self.__qualname__)  # type: ignore[attr-defined]
        return _unpickle, (self.__wrapped__, self._options)


class _Stripping:
    """``with _Stripping():`` takes our own frames out of the traceback of what is raised."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            _strip(error)


def _strip(error: BaseException) -> None:
    """Take our own frames out of an exception's traceback; to be followed by a bare ``raise``.

    What has nothing but our own frames, and is no error that we raise about a call, is a bug of ours: it stays visible.
    """
    from tracejit.errors import TracejitError, frames, is_internal, public, stripped

    if isinstance(error, TracejitError):
        public(error)
    ours = (TracejitError, TypeError, ValueError, OverflowError, MemoryError, RuntimeError, KeyboardInterrupt)
    if isinstance(error, ours) or not all(map(is_internal, frames(error))):
        stripped(error)


def _importable(jitted: JittedBase[P, R]) -> bool:
    """Whether the module of the function has this very object under its name."""
    import sys

    found: Any = sys.modules.get(getattr(jitted, "__module__", ""))
    for part in str(getattr(jitted, "__qualname__", "")).split("."):
        found = getattr(found, part, None)
    return found is jitted


def _unpickle(function: Callable[P, R], options: Options) -> JittedBase[P, R]:
    return compiled(function, options)


_NATIVE = native_subtype(JittedBase)
Jitted = _NATIVE.type
"""The type of compiled functions."""


def compiled(function: Callable[P, R], options: Options) -> JittedBase[P, R]:
    """Make the compiled callable of ``function``."""
    jitted: JittedBase[P, R] = Jitted.__new__(Jitted)
    jitted._set_up(function, options)
    return jitted
