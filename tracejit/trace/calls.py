"""Calls in compiled programs: the user's functions are rewritten and run, NumPy's and Python's are replaced.

:func:`call` is what every call in rewritten code comes to. Functions of the user are converted (:func:`convert`),
whatever way they are reached: methods, closures, partials, classes, compiled functions (which are inlined). Functions
with an entry in :mod:`tracejit.trace.numpy_api` are called through it. Libraries run as they are, on traced values.
"""

from __future__ import annotations

import functools
import inspect
import operator
import re
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tracejit.errors import RecursionTooDeep, UnsupportedError
from tracejit.ir.types import DTYPE_NAMES
from tracejit.lazy import Lazy
from tracejit.trace import libraries, objects, strings
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.control import control
from tracejit.trace.either import Either
from tracejit.trace.journal import is_iterator, is_stateful, may_change, mutates
from tracejit.trace.numpy_api import call_function, lookup, name_of
from tracejit.trace.numpy_api.table import has_traced
from tracejit.trace.rewrite import Rewritten, rewrite
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.source import NoSource, source_of
from tracejit.trace.strings import TracedString, holds_traced
from tracejit.trace.tracer import OUTSIDE, is_traced
from tracejit.trace.transformed import Inlined

if TYPE_CHECKING:
    from tracejit.trace import samples, unrewritten
else:
    samples = Lazy("tracejit.trace.samples")
    unrewritten = Lazy("tracejit.trace.unrewritten")

_MISSING = object()

_IMPURE_MODULES = {
    "random", "_random", "time", "secrets", "uuid", "os", "posix", "nt", "io", "_io", "socket", "subprocess", "logging",
    "numpy.random", "numpy.random.mtrand", "numpy.random._generator", "warnings", "_warnings", "threading", "_thread",
    "queue", "_queue", "multiprocessing", "asyncio", "pickle", "_pickle", "shutil",
}  # fmt: skip
_UNCHANGING = {"re", "datetime", "decimal", "fractions", "numpy", "types", "builtins", "_struct", "struct", "functools"}
_IMPURE = {
    "builtins": {"open", "input", "breakpoint"},
    "datetime": {"now", "today", "utcnow"},
    "numpy": {
        "load", "save", "savez", "savez_compressed", "loadtxt", "savetxt", "genfromtxt", "fromfile", "fromregex",
        "memmap", "set_printoptions", "seterr", "seterrcall", "setbufsize",
    },
}  # fmt: skip
_BYTES = (bytes, bytearray)
"""Classes that make a copy of the memory of an array."""
_BY_OBJECT = {"copy", "dataclasses"}
"""Modules whose functions look at the class of an object: they get each that it may be."""
_NO_ARRAY = "object __array__ method not producing an array"
_UNTRACED = r"\b(ScalarTracer|ArrayTracer|ChoiceTracer|TracedString|Either|MaybeUnbound)\b"


def call(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``function(*args, **kwargs)`` as a compiled program does it."""
    kind = type(function)
    if kind is types.FunctionType:
        replacement = lookup(function)
        if replacement is not None:
            return replacement(*args, **kwargs)
        return _call_function(function, args, kwargs)
    if kind is types.MethodType:
        return call(function.__func__, (function.__self__, *args), kwargs)
    if isinstance(function, Inlined):
        return function.inline(args, kwargs)
    if is_traced(function):
        if isinstance(function, ScalarTracer | ArrayTracer | TracedString):
            raise TypeError(f"{samples.type_text(function)!r} object is not callable")
        return function(*args, **kwargs)
    special = _special(function)
    if special is not None:
        return special(*args, **kwargs)
    replacement = lookup(function)
    if replacement is not None:
        return replacement(*args, **kwargs)
    if kind is functools.partial:
        return call(function.func, (*function.args, *args), {**function.keywords, **kwargs})
    inner = _wrapped(function, args, kwargs)
    if inner is not None:
        return call(inner, args, kwargs)
    if isinstance(function, type):
        return _instantiate(function, args, kwargs)
    method = _call_method(function)
    if method is not None:
        return call(method, (function, *args), kwargs)
    return _native(function, args, kwargs)


def _special(function: Any) -> Callable[..., Any] | None:
    try:
        return _SPECIAL.get(function)
    except TypeError:  # not hashable
        return None


def _wrapped(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The Python function that a compiled, or a caching, one stands for."""
    inner = getattr(function, "__wrapped__", None) if callable(function) else None
    if inner is None:
        return None
    if libraries.is_ours(type(function)):
        return inner
    if isinstance(function, functools._lru_cache_wrapper) and (has_traced(args) or has_traced(kwargs.values())):
        return inner
    return None


def _call_method(function: Any) -> types.FunctionType | None:
    """``__call__`` of an object of a class of the user's."""
    method = inspect.getattr_static(type(function), "__call__", None)
    if isinstance(method, types.FunctionType) and not libraries.is_library_code(method.__code__):
        return method
    return None


# --- functions of the user --------------------------------------------------------------------------------------------


def _call_function(function: types.FunctionType, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    ready = convert(function)
    if ready is None:
        if libraries.is_own_code(function.__code__):
            return function(*args, **kwargs)
        return _native(function, args, kwargs)
    if (ready.__defaults__ or ready.__kwdefaults__) and ready is not function:
        code = ready.__code__
        if len(args) + len(kwargs) < code.co_argcount + code.co_kwonlyargcount:
            _capture_defaults(function, ready)
    c = control()
    if c.depth >= c.options.inline_depth:
        raise RecursionTooDeep(
            f"calls of Python functions nest more than {c.options.inline_depth} deep, at {function.__qualname__}: "
            "compiled code has no calls of its own, so a recursion must end on something that is known while compiling",
            hint="a loop; if it does end, raise the setting TRACEJIT_INLINE_DEPTH",
        )
    c.depth += 1
    depth = c.depth
    try:
        return ready(*args, **kwargs)
    finally:
        c.depth = depth - 1


def convert(function: types.FunctionType) -> types.FunctionType | None:
    """``function`` in the form that can be traced; None for functions of libraries.

    Raises:
        CaptureError: It uses syntax that is not supported.
    """
    context = current()
    if context.is_converted(function.__code__):
        return function  # it was made by a function that is converted, or has no source
    if libraries.is_library_code(function.__code__) and not _is_root(function):
        return routine(function) if context.in_routine and libraries.is_routine(function) else None
    captures = control().captures
    ready = captures.converted.get(function)
    if ready is None:
        ready = captures.converted[function] = _converted(function)
    return ready


def routine(function: types.FunctionType) -> types.FunctionType:
    """A function of tracejit's own, written as user code, in the form that can be traced."""
    captures = control().captures
    ready = captures.converted.get(function)
    if ready is None:
        from tracejit.trace.hooks import Hooks

        rewritten = _rewritten(function)
        for inner in rewritten.codes:
            current().add_routine_code(inner)
        ready = captures.converted[function] = rewritten.make(function, Hooks(function, rewritten))
    return ready


def _is_root(function: types.FunctionType) -> bool:
    """Whether a function is part of what was asked to be compiled, wherever it is installed."""
    package = control().captures.package
    if package is None or libraries.is_own_code(function.__code__):
        return False
    return (function.__module__ or "").partition(".")[0] == package


def _converted(function: types.FunctionType) -> types.FunctionType:
    from tracejit.trace.hooks import Hooks

    c, code = control(), function.__code__
    try:
        rewritten = _rewritten(function)
    except NoSource as problem:
        c.sourceless[code] = str(problem)
        c.context.add_user_code(code)
        unrewritten.guard_code(c.captures, function)
        return function
    for inner in rewritten.codes:
        c.context.add_user_code(inner)
    return rewritten.make(function, Hooks(function, rewritten))


_cache: dict[tuple[types.CodeType, str], Rewritten] = {}  # code objects of different files may be equal


def _rewritten(function: types.FunctionType) -> Rewritten:
    code = function.__code__
    key = (code, code.co_filename)
    known = _cache.get(key)
    if known is None:
        known = _cache[key] = rewrite(source_of(function), code)
    return known


def _capture_defaults(function: types.FunctionType, ready: types.FunctionType) -> None:
    """Defaults are state like any other: a list among them is an object of the caller."""
    from tracejit.ir.interface import Attribute, Cell, Item

    captures = control().captures
    if function in captures.defaults:
        return
    captures.defaults.add(function)

    def seen(value: Any, place: Item) -> Any:
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes, type, types.FunctionType)):
            return value
        return captures.see(value, place)

    place = captures.source_of(function) or Cell(types.CellType(function), function.__name__)
    if function.__defaults__:
        base = Attribute(place, "__defaults__")
        ready.__defaults__ = tuple(seen(v, Item(base, k)) for k, v in enumerate(function.__defaults__))
    if function.__kwdefaults__:
        base = Attribute(place, "__kwdefaults__")
        ready.__kwdefaults__ = {k: seen(v, Item(base, k)) for k, v in function.__kwdefaults__.items()}


# --- classes ----------------------------------------------------------------------------------------------------------


def _instantiate(cls: type, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    plain = _lookup(type(cls), "__call__") is type.__call__ and _lookup(cls, "__new__") is object.__new__
    if plain and not libraries.is_library_class(cls) and _lookup(cls, "__init__") is not object.__init__:
        new: Any = object.__new__(objects.class_of_new(cls))
        _bear(new)
        if call(_lookup(cls, "__init__"), (new, *args), kwargs) is not None:
            raise TypeError("__init__() should return None")
        return new
    if issubclass(cls, BaseException) and isinstance(_lookup(cls, "__init__"), types.FunctionType):
        new = cls.__new__(cls, *args, **kwargs)
        _bear(new)
        call(_lookup(cls, "__init__"), (new, *args), kwargs)
        return new
    new = _native(cls, args, kwargs)
    if type(new) is cls and not is_traced(new):
        _bear(new)
    return new


def _lookup(cls: type, name: str) -> Any:
    return getattr(cls, name)


def _bear(new: Any) -> None:
    c = control()
    c.journal.bear(new, c.now())


# --- everything else --------------------------------------------------------------------------------------------------


def _native(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """A call of something that is not converted."""
    owner = getattr(function, "__self__", None)
    if type(owner) is str and (any(map(holds_traced, args)) or any(map(holds_traced, kwargs.values()))):
        return strings.method(function.__name__, owner, args, kwargs)
    if isinstance(owner, BaseException) and function.__name__ == "add_note" and len(args) == 1 and not kwargs:
        return _add_note(owner, args[0])
    _refuse_impure(function)
    module = getattr(function, "__module__", None) or ""
    if module.partition(".")[0] == "numpy" and not isinstance(function, type):
        if has_traced(args) or has_traced(kwargs.values()):
            return call_function(function, args, kwargs)
    if function in _BYTES and any(map(is_traced, args)):
        raise _unable(function)
    if module in _BY_OBJECT and any(isinstance(x, Either) for x in args):
        return _by_object(function, args, kwargs)
    _note_changes(function, args)
    args = tuple(_ready(a) for a in args)
    kwargs = {k: _ready(v) for k, v in kwargs.items()}
    try:
        result = function(*args, **kwargs)
    except TypeError as error:
        if re.search(_UNTRACED, str(error)):
            raise _unable(function) from None
        raise
    except ValueError as error:
        if _NO_ARRAY in str(error):
            raise _unable(function) from None
        raise
    if type(result) is np.ndarray and result.dtype in DTYPE_NAMES:
        # made by a library just now: the program may write into it
        return ArrayTracer(current().at().const(result, result.dtype))
    return result


def _by_object(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    k = next(k for k, x in enumerate(args) if isinstance(x, Either))
    return args[k].each(lambda option: _native(function, (*args[:k], option, *args[k + 1 :]), kwargs))


def _unable(function: Any) -> UnsupportedError:
    return UnsupportedError(
        f"{name_of(function)} does not work with values that are known only at run time", hint=OUTSIDE
    )


def _ready(argument: Any) -> Any:
    """An argument for code that will call it without us."""
    kind = type(argument)
    if kind is types.FunctionType:
        if lookup(argument) is not None:
            return argument
        return _ready_function(argument) or argument
    if kind is types.MethodType and type(argument.__func__) is types.FunctionType:
        function = _ready_function(argument.__func__)
        return argument if function is None else types.MethodType(function, argument.__self__)
    if kind is functools.partial:
        return functools.partial(_ready(argument.func), *argument.args, **argument.keywords)
    if callable(argument) and not isinstance(argument, type) and libraries.is_ours(kind) and not is_traced(argument):
        return functools.partial(_inlined, argument)
    return argument


def _ready_function(function: types.FunctionType) -> types.FunctionType | None:
    ready = convert(function)
    if ready is not None and ready is not function:
        _capture_defaults(function, ready)
    return ready


def _inlined(function: Any, *args: Any, **kwargs: Any) -> Any:
    return call(function, args, kwargs)


def _refuse_impure(function: Any) -> None:
    owner = getattr(function, "__self__", None)
    if control().captures.is_opaque(owner) and type(owner).__module__ not in _UNCHANGING:
        raise _refused(name_of(function))
    name = getattr(function, "__name__", "")
    for place in {getattr(function, "__module__", None), getattr(type(owner), "__module__", None), _module_of(owner)}:
        package = (place or "").partition(".")[0]
        if place in _IMPURE_MODULES or package in _IMPURE_MODULES or name in _IMPURE.get(package, ()):
            if name in ("fspath", "PathLike") or (isinstance(function, type) and issubclass(function, BaseException)):
                return
            raise _refused(name_of(function))


def _module_of(owner: Any) -> Any:
    return owner.__module__ if isinstance(owner, type) else None


def _refused(name: str) -> UnsupportedError:
    random = "random" in name or "Generator" in name
    return UnsupportedError(
        f"{name} would be called once, while the function is compiled, and not each time it runs",
        hint="random numbers drawn outside of the compiled function, as an array argument" if random else OUTSIDE,
    )


def _add_note(error: BaseException, note: Any) -> None:
    """``error.add_note(note)``; the text may be known at run time only."""
    texts = note.options if isinstance(note, Either) else (note,)
    for text in texts:
        if not isinstance(text, (str, TracedString)):
            raise TypeError(f"note must be a str, not '{samples.type_text(text)}'")
    control().captures.setattr(error, "__notes__", [*getattr(error, "__notes__", ()), note])


_LOOKING = {"builtins", "math", "numpy", "copy", "functools", "operator", "_operator"}
"""Modules whose functions do not change their arguments, apart from using up iterators."""


_LEAVING = (iter, isinstance, issubclass, type, id, callable, hasattr, getattr)
"""Functions that do not use up iterators either."""


def hold(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """See to objects of Python that a call may change, or use up."""
    if not control().journal.depth() or any(function is f for f in _LEAVING):
        return
    changed = may_change(function)
    if changed is not None:
        control().hold(changed)
    looks = isinstance(function, type) or (getattr(function, "__module__", None) or "").partition(".")[0] in _LOOKING
    for x in (*args, *kwargs.values()):
        if is_iterator(x) or (is_stateful(x) and not looks):
            control().hold(x)


_CHANGING: dict[Any, int] = {
    operator.setitem: 0, operator.delitem: 0, operator.iadd: 0, operator.imul: 0, operator.ior: 0, operator.iand: 0,
    operator.isub: 0, operator.ixor: 0, operator.iconcat: 0, object.__setattr__: 0, object.__delattr__: 0,
}  # fmt: skip
_CHANGING_MODULES = {"_heapq": 0, "_bisect": 0, "heapq": 0, "bisect": 0}


def _note_changes(function: Any, args: tuple[Any, ...]) -> None:
    """Tell the journal about an object that a built-in function is going to change."""
    journal = control().journal
    if mutates(function):
        journal.note(function.__self__)
        return
    try:
        place = _CHANGING.get(function, _CHANGING_MODULES.get(getattr(function, "__module__", None) or ""))
    except TypeError:
        return
    if isinstance(function, types.MethodDescriptorType) and function.__objclass__ in (list, dict, set):
        place = 0
    if place is not None and len(args) > place and isinstance(args[place], (list, dict, set)):
        journal.note(args[place])


# --- functions that look at objects -----------------------------------------------------------------------------------


def _getattr(owner: Any, name: str, default: Any = _MISSING) -> Any:
    try:
        return control().captures.attr(owner, name)
    except AttributeError:
        if default is _MISSING:
            raise
        return default


def _hasattr(owner: Any, name: str) -> bool:
    try:
        control().captures.attr(owner, name)
    except AttributeError:
        return False
    return True


def _setattr(owner: Any, name: str, value: Any) -> None:
    control().captures.setattr(owner, name, value)


def _delattr(owner: Any, name: str) -> None:
    control().captures.delattr(owner, name)


def _type(*args: Any, **kwargs: Any) -> Any:
    if len(args) == 1 and not kwargs:
        kind = objects.class_of(args[0])
        if kind is not type(args[0]):
            return kind
    replacement = lookup(type)
    return type(*args, **kwargs) if replacement is None else replacement(*args, **kwargs)


_SPECIAL: dict[Any, Callable[..., Any]] = {
    getattr: _getattr,
    hasattr: _hasattr,
    setattr: _setattr,
    delattr: _delattr,
    type: _type,
}
