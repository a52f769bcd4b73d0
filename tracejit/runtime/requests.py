"""From a classified call to what the front end traces."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from tracejit import config
from tracejit.ir.interface import Argument, ArrayInput, Input, Same, describe
from tracejit.runtime.aliasing import Groups
from tracejit.runtime.history import Pattern
from tracejit.runtime.signature import ArrayLeaf, Node, ScalarLeaf, Signature, StaticLeaf, Tree
from tracejit.trace.program import Options, Rebuilt, Static, TraceRequest, ViewOf


def make_request(
    function: Callable[..., Any],
    signature: Signature,
    pattern: Pattern,
    hidden: Mapping[Hashable, Input],
    groups: Groups,
    identify: bool = False,
) -> TraceRequest:
    """What to trace.

    Args:
        function: The user's function.
        signature: The call.
        pattern: The shape to compile for of each array leaf, by ``("argument", path)``.
        hidden: Captured state to generalise.
        groups: Array arguments that share memory, as far as the program is to know: the flat arrays that some are
            views of are passed after the function's own parameters.
        identify: Whether an array argument may be captured, too, and the program is to know it.
    """
    settings = config.current()
    describer = _Describer(signature, pattern, groups)
    described, same = describer.describe()
    return TraceRequest(
        function=function,
        arguments=described,
        guards=signature.guards,
        same=same,
        arrays=describer.arrays() if identify else (),
        hidden=dict(hidden),
        options=Options(
            unroll=settings.unroll,
            unroll_nest=settings.unroll_nest,
            max_unroll=settings.max_unroll,
            inline_depth=settings.inline_depth,
        ),
    )


class _Describer:
    """Builds the described arguments of one request."""

    def __init__(self, signature: Signature, pattern: Pattern, groups: Groups) -> None:
        self.signature = signature
        self.same = groups.same
        self.numbers = {id(leaf): k for k, leaf in enumerate(signature.leaves)}
        self.inputs: dict[int, Input] = {}
        self.views: dict[int, Any] = {}
        for k, overlap in enumerate(groups.overlaps):
            name = " and ".join(describe(signature.leaves[n].source) for n in overlap.inputs)
            source = Argument(len(signature.nodes) + k, f"the memory of {name}")
            readonly = not overlap.base.flags.writeable
            base = ArrayInput(source, overlap.base.dtype, overlap.base.shape, "C", readonly=readonly)
            for number, (shape, start, steps) in zip(overlap.inputs, overlap.views):
                pairs = tuple((0, axis) for axis in range(len(shape)))
                place = signature.leaves[number].source
                self.views[number] = ViewOf(base, shape, (start,), pairs, steps, place)
        for number, leaf in enumerate(signature.leaves):
            if isinstance(leaf, ScalarLeaf):
                self.inputs[number] = leaf.input()
            elif number not in self.views:
                self.inputs[number] = leaf.input(pattern["argument", leaf.path])

    def describe(self) -> tuple[tuple[Any, ...], tuple[Same, ...]]:
        arguments = tuple(self._node(n) for n in self.signature.nodes)
        # views take the numbers of their inputs out of the count, and their bases get some
        order: dict[int, int] = {}
        for number in range(len(self.signature.leaves)):
            item = self.views[number].base if number in self.views else self.inputs[number]
            order.setdefault(id(item), len(order))
        same = tuple(Same(order[id(self.inputs[s.a])], order[id(self.inputs[s.b])]) for s in self.same)
        return arguments, same

    def arrays(self) -> tuple[tuple[ArrayInput, np.ndarray[Any, Any]], ...]:
        """The inputs that are arrays, and not views of flat ones."""
        found = []
        for number, leaf in enumerate(self.signature.leaves):
            given = self.inputs.get(number)
            if isinstance(leaf, ArrayLeaf) and isinstance(given, ArrayInput):
                found.append((given, leaf.array))
        return tuple(found)

    def _node(self, node: Node) -> Any:
        match node:
            case ArrayLeaf() | ScalarLeaf():
                number = self.numbers[id(node)]
                return self.views.get(number) or self.inputs[number]
            case StaticLeaf(_, source, value):
                return Static(value, source)
            case Tree(_, source, value, keys, children):
                items = [self._node(c) for c in children]
                kind = type(value)
                if kind is dict:
                    return dict(zip(keys, items))
                if kind in (tuple, list):
                    return kind(items)
                return Rebuilt(kind._make(items), source)
        raise AssertionError(node)
