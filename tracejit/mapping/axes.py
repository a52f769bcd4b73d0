"""Which part of which argument or result lies along which axis."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tracejit.errors import BatchError
from tracejit.ir.types import Dim
from tracejit.record import record
from tracejit.trace.transformed import name_of, signature_of
from tracejit.trace.trees import mapped, structure


@record(frozen=True)
class Along:
    """The axis of one leaf: None when all lanes share it."""

    axis: int | None


class Default:
    """The default of a parameter: what the function gets when the caller gives nothing, the same in all lanes."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


def without_defaults(signature: inspect.Signature) -> inspect.Signature:
    """A signature in which what is a default can be told from what is given."""
    parameters = list(signature.parameters.values())
    if all(p.default is p.empty for p in parameters):
        return signature
    new = [p if p.default is p.empty else p.replace(default=Default(p.default)) for p in parameters]
    return signature.replace(parameters=new)


def along(tree: Any, axes: Any, path: str, option: str, function: str) -> Any:
    """A tree like ``tree`` with an :class:`Along` in the place of each leaf.

    Args:
        tree: An argument or a result.
        axes: One axis for all of it, or a structure like it.
        path: What ``tree`` is called.
        option: What ``axes`` is called.
        function: The name of the function.
    """
    if isinstance(tree, Default):
        return mapped(lambda leaf, where: Along(None), tree.value)
    if axes is None or _is_axis(axes):
        return mapped(lambda leaf, where: Along(axes), tree, path=path)
    if isinstance(axes, (tuple, list)) and isinstance(tree, (tuple, list)) and len(axes) == len(tree):
        parts = [along(t, a, f"{path}[{k}]", f"{option}[{k}]", function) for k, (t, a) in enumerate(zip(tree, axes))]
        kind: Any = type(tree)
        return kind._make(parts) if hasattr(kind, "_fields") else kind(parts)
    if isinstance(axes, dict) and isinstance(tree, dict) and axes.keys() == tree.keys():
        return {k: along(t, axes[k], f"{path}[{k!r}]", f"{option}[{k!r}]", function) for k, t in tree.items()}
    if hasattr(axes, "__dataclass_fields__") and type(axes) is type(tree):
        raise BatchError(
            f"{option} of the vmap of {function} has a {type(axes).__name__} for {path}: the fields of a dataclass "
            "cannot have different axes",
            hint="one axis for all of it",
        )
    raise BatchError(
        f"{option} of the vmap of {function} is {_text(axes)}, and {path or 'the result'} is {structure(tree)}",
        hint="an axis, None, or a structure like it",
    )


def _is_axis(axes: Any) -> bool:
    return isinstance(axes, int) and not isinstance(axes, bool)


def _text(axes: Any) -> str:
    return repr(axes) if not isinstance(axes, (tuple, list, dict)) else f"{axes!r}, {structure(axes)}"


class Arguments:
    """Axes of the arguments of a call, by position and by name."""

    def __init__(self, function: Callable[..., Any], in_axes: Any) -> None:
        self.function = function
        self.name = name_of(function)
        self.in_axes = in_axes
        self.names = list(signature_of(function).parameters)
        if not (in_axes is None or _is_axis(in_axes) or isinstance(in_axes, (tuple, list, dict))):
            raise TypeError(f"in_axes of the vmap of {self.name} is {in_axes!r}, expected axes")
        for name in in_axes if isinstance(in_axes, dict) else ():
            kinds = [p.kind for p in signature_of(function).parameters.values()]
            if name not in self.names and inspect.Parameter.VAR_KEYWORD not in kinds:
                raise TypeError(f"in_axes has {name!r}, which is not a parameter of {self.name}")

    def of(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Trees of :class:`Along`, one per argument."""
        given = self.in_axes
        count = len(args)
        while count and isinstance(args[count - 1], Default):
            count -= 1
        if isinstance(given, (tuple, list)) and len(given) < count:
            raise BatchError(
                f"in_axes of the vmap of {self.name} has {len(given)} entries, and this call has {count} "
                "positional arguments"
            )
        positional = []
        for k, x in enumerate(args):
            name = self.parameter(k)
            axes = given[k] if isinstance(given, (tuple, list)) and k < len(given) else given
            if isinstance(given, dict):
                axes = given.get(name.partition("[")[0])
            option = "in_axes" if not isinstance(given, (tuple, list, dict)) else f"in_axes for {name}"
            positional.append(along(x, axes, name, option, self.name))
        named = {}
        for name, x in kwargs.items():
            axes = given.get(name) if isinstance(given, dict) else 0 if isinstance(given, (tuple, list)) else given
            named[name] = along(x, axes, name, f"in_axes for {name}", self.name)
        return positional, named

    def parameter(self, k: int) -> str:
        """What positional argument ``k`` is called."""
        parameters = list(signature_of(self.function).parameters.values())
        for n, p in enumerate(parameters):
            if p.kind is p.VAR_POSITIONAL:
                return f"{p.name}[{k - n}]"
            if n == k:
                return p.name
        return f"argument {k}"


def numbered(axis: int, shape: Sequence[Dim], what: str, path: str) -> int:
    """``axis`` of an array of ``shape``, counted from the front."""
    if not -len(shape) <= axis < len(shape):
        text = str(tuple(d if isinstance(d, int) else "?" for d in shape)).replace("'", "")
        raise BatchError(f"{what}: {path} has no axis {axis}, its shape is {text}")
    return axis % len(shape)
