"""Forward and backward code that belong together.

Reverse mode gives every differentiated ``if``, ``for`` and ``while`` a counterpart that runs its regions backwards.
"""

from __future__ import annotations

from tracejit.ir.core import Block, Op, Value
from tracejit.record import field, record


@record(eq=False)
class Region:
    """A block and the block that runs it backwards.

    Attributes:
        forward: A block of the program: a function's body, an arm of an ``if``, the body of a loop.
        backward: Its counterpart; it may use values of ``forward`` until :mod:`tracejit.transform.residuals` has made
            sure that they are there.
        pair: The ops that the two blocks belong to; None for a function's body.
        trip: In the backward body of a loop: the number of the trip that is run backwards, from 0.
        pairs: Control flow inside, in the order of the backward block.
    """

    forward: Block
    backward: Block
    pair: Pair | None = None
    trip: Value | None = None
    pairs: list[Pair] = field(default_factory=list)

    @property
    def parent(self) -> Region | None:
        return self.pair.parent if self.pair is not None else None


@record(eq=False)
class Pair:
    """An op with regions and the one that runs it backwards."""

    op: Op
    back: Op
    parent: Region
    regions: list[Region] = field(default_factory=list)
