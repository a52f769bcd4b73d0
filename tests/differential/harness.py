"""Run a program in plain Python and compiled, and compare everything a caller can observe.

`check` runs one function on several inputs through *one* compiled object, so that choosing between its versions is
exercised, and the first input once more at the end. `check_scenario` runs a longer story that takes `jit` as an
argument. Both raise `Difference` with a readable report.
"""

from __future__ import annotations

import contextlib
import io
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .compare import Comparison, Policy

SEED = 20240229
MESSAGES_OF = (IndexError, ZeroDivisionError, ValueError, AssertionError, KeyError, RuntimeError)


class Difference(AssertionError):
    """The compiled program did something that plain Python does not do."""


class Call:
    """Arguments of one call; a plain tuple stands for positional arguments only."""

    allow: tuple[type[BaseException], ...] = ()  # exceptions that may stand in for the answer of this call

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs

    def allowing(self, *exceptions: type[BaseException]) -> Call:
        """This call, where a clear exception may stand in for the right answer."""
        self.allow = exceptions
        return self


@dataclass
class Outcome:
    """Everything a caller could see of one call."""

    call: Call
    before: list[Any]  # the leaves and containers that the caller handed in
    result: Any = None
    error: BaseException | None = None
    line: int | None = None  # the user's line at which the error was raised
    printed: str = ""


@dataclass
class Rules:
    """What is compared, and which Python exceptions are allowed instead of the right answer."""

    policy: Policy = field(default_factory=Policy)
    allow: tuple[type[BaseException], ...] = ()
    messages: bool = True
    lines: bool = True
    mutation: bool = True


def identity_jit(fn: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """A `jit` that does nothing: the corpus must be valid plain Python."""
    return fn


def check(
    fn: Callable[..., Any],
    make_args: Callable[[np.random.Generator], Sequence[Any]],
    *,
    jit: Callable[..., Any],
    jit_options: dict[str, Any] | None = None,
    rules: Rules | None = None,
    fresh: bool = False,
    name: str = "",
) -> list[str]:
    """Compare `fn` with `jit(fn)` on every input that `make_args` makes, then on the first again.

    `make_args(rng)` is called anew, with an equally seeded generator, for each side: so both get equal but separate
    arguments, with the same layouts and the same overlaps. `fresh` compiles anew for every input.

    Returns the messages of the exceptions that stood in for the answer because `rules` or the call allow them.
    """
    refusals: list[str] = []
    rules = rules or Rules()
    options = jit_options or {}
    compiled = jit(fn, **options)
    count = count_calls(make_args)
    order = [*range(count), 0] if count > 1 else [0, 0]
    for turn, index in enumerate(order):
        if fresh and turn:
            compiled = jit(fn, **options)
        want = observe(fn, make_call(make_args, index), fn)
        got = observe(compiled, make_call(make_args, index), fn)
        if got.error is not None and isinstance(got.error, rules.allow + got.call.allow):
            refusals.append(str(got.error))
        differences = compare_outcomes(want, got, rules)
        if differences:
            again = " (again)" if turn >= count else ""
            shown = describe_call(make_call(make_args, index))
            raise Difference(_report(name or fn.__name__, f"input {index}{again}: {shown}", differences))
    return refusals


def check_scenario(scenario: Callable[[Callable[..., Any]], Any], *, jit: Callable[..., Any], rules: Rules) -> None:
    """Compare what `scenario(jit)` returns and prints with what it returns and prints with the identity."""
    want = observe(scenario, Call(identity_jit), scenario)
    got = observe(scenario, Call(jit), scenario)
    want.call, got.call, want.before, got.before = Call(), Call(), [], []
    differences = compare_outcomes(want, got, rules)
    if differences:
        raise Difference(_report(scenario.__name__, "scenario", differences))


def observe(fn: Callable[..., Any], call: Call, user: Callable[..., Any]) -> Outcome:
    """Call `fn` and record everything; `user` is the function whose file counts as the user's."""
    outcome = Outcome(call, list(leaves((call.args, call.kwargs))))
    stdout = io.StringIO()
    silence = warnings.catch_warnings(action="ignore")
    with contextlib.redirect_stdout(stdout), silence, np.errstate(all="ignore"):
        try:
            outcome.result = fn(*call.args, **call.kwargs)
        except (Exception, KeyboardInterrupt) as error:
            outcome.error, outcome.line = error, user_line(error, user)
    outcome.printed = stdout.getvalue()
    return outcome


def compare_outcomes(want: Outcome, got: Outcome, rules: Rules) -> list[str]:
    """All differences between two outcomes, as lines of text."""
    if got.error is not None and isinstance(got.error, rules.allow + got.call.allow):
        return [] if str(got.error) else ["the exception that stands in for the answer has no message"]
    comparison = Comparison(rules.policy)
    if rules.mutation:
        for index, (a, b) in enumerate(zip(want.before, got.before, strict=True)):
            comparison.walk(f"argument leaf {index}", a, b)
        comparison.walk("args", want.call.args, got.call.args)
        comparison.walk("kwargs", want.call.kwargs, got.call.kwargs)
    differences = comparison.differences
    if want.error is None and got.error is None:
        comparison.walk("result", want.result, got.result)
    elif want.error is None:
        differences.append("compiled raises, plain Python does not:\n" + _traceback(got.error))
    elif got.error is None:
        differences.append(f"plain Python raises {_error(want.error)}, compiled returns {got.result!r}")
    else:
        differences.extend(_compare_errors(want, got, rules))
    if want.printed != got.printed:
        differences.append(f"plain Python prints {want.printed!r}, compiled prints {got.printed!r}")
    return comparison.finish()


def _compare_errors(want: Outcome, got: Outcome, rules: Rules) -> Iterator[str]:
    assert want.error is not None and got.error is not None
    expected, actual = public_type(want.error), public_type(got.error)
    ours = type(got.error).__module__.startswith("tracejit")
    if not (actual is expected or (ours and isinstance(got.error, expected))):
        yield f"plain Python raises {_error(want.error)}, compiled raises:\n{_traceback(got.error)}"
        return
    user_defined = expected.__module__ not in ("builtins", "numpy.exceptions")
    if rules.messages and (isinstance(want.error, MESSAGES_OF) or user_defined):
        plain, text = str(want.error), str(got.error)
        if plain != text and not (ours and plain in text):
            yield f"plain Python's {expected.__name__} says {plain!r}, compiled says {text!r}"
    if rules.lines and want.line is not None and want.line != got.line:
        said = "\n".join([str(got.error), *getattr(got.error, "__notes__", [])])
        if f"line {want.line}" not in said and f":{want.line}" not in said:
            yield f"raised at the user's line {want.line} in plain Python, at line {got.line} compiled"


def public_type(error: BaseException) -> type[BaseException]:
    """The class a user would catch: NumPy's private subclasses of TypeError and the like count as their parents."""
    for cls in type(error).__mro__:
        if not cls.__module__.startswith("numpy._") and not cls.__name__.startswith("_"):
            return cls
    return type(error)


def user_line(error: BaseException, user: Callable[..., Any]) -> int | None:
    """The line of the innermost frame that is in the user's file."""
    code = getattr(user, "__code__", None) or getattr(getattr(user, "__func__", None), "__code__", None)
    if not isinstance(code, types.CodeType):
        return None
    line = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == code.co_filename:
            line = number
    return line


def leaves(tree: Any) -> Iterator[Any]:
    """The arrays and mutable objects in nested containers, parents before children."""
    if isinstance(tree, (list, tuple)):
        if isinstance(tree, list):
            yield tree
        for item in tree:
            yield from leaves(item)
    elif isinstance(tree, dict):
        yield tree
        for item in tree.values():
            yield from leaves(item)
    elif isinstance(tree, np.ndarray):
        yield tree
    elif hasattr(tree, "__dict__") and not isinstance(tree, (type, types.ModuleType, types.FunctionType)):
        yield tree
        for item in vars(tree).values():
            yield from leaves(item)


def describe_call(call: Call) -> str:
    """The arguments, short."""
    parts = [_short(a) for a in call.args] + [f"{k}={_short(v)}" for k, v in call.kwargs.items()]
    return f"({', '.join(parts)})"


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        layout = "" if value.flags.c_contiguous else f" strides {value.strides}"
        text = np.array2string(value, threshold=16, edgeitems=3, separator=", ").replace("\n", "")
        return f"{value.dtype}{list(value.shape)}{layout} {text}"
    text = repr(value)
    return text if len(text) < 160 else text[:160] + "..."


def count_calls(make_args: Callable[[np.random.Generator], Sequence[Any]]) -> int:
    """How many calls the inputs of a case are."""
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        return len(make_args(np.random.default_rng(SEED)))


def make_call(make_args: Callable[[np.random.Generator], Sequence[Any]], index: int) -> Call:
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        item = make_args(np.random.default_rng(SEED))[index]
    return item if isinstance(item, Call) else Call(*item)


def _report(name: str, where: str, differences: list[str]) -> str:
    return "\n".join([f"{name}, {where}", *(f"  - {line}" for line in differences)])


def _error(error: BaseException) -> str:
    return f"{type(error).__name__}({str(error)!r})"


def _traceback(error: BaseException | None) -> str:
    assert error is not None
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return "    " + "".join(lines[-14:]).rstrip().replace("\n", "\n    ")
