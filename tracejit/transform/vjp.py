"""Reverse mode: programs that compute how outputs depend on inputs, at a cost independent of the number of inputs.

Three forms: :func:`vjp` takes cotangents of outputs beside the arguments, :func:`gradient` differentiates one scalar
output, and :func:`split` makes two functions, one that runs the program and keeps what the other will need. With these,
:func:`linearize` makes a function of tangents alone: it transposes the backward function again.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.errors import DerivativeError
from tracejit.ir.core import Block, Function, Value, map_type
from tracejit.ir.types import INDEX, ArrayType
from tracejit.ops.builder import Builder
from tracejit.record import record
from tracejit.transform.activity import Activity
from tracejit.transform.cotangents import Cotangents
from tracejit.transform.jvp import differentiable_param
from tracejit.transform.regions import Region
from tracejit.transform.residuals import Residuals
from tracejit.transform.reverse import Reverse
from tracejit.transform.schedules import run_in_parts
from tracejit.transform.structure import expand, inserting, is_float


def vjp(function: Function, wrt: Sequence[int], outputs: Sequence[int]) -> Function:
    """The function that also carries cotangents of outputs back to inputs.

    Args:
        function: An array-level function.
        wrt: Positions of the floating-point parameters whose cotangents are wanted.
        outputs: Positions of the floating-point outputs whose cotangents are given.

    Returns:
        A function whose parameters are those of ``function`` and one cotangent for each of ``outputs`` (preceded by an
        index value for each of its lengths that is no parameter of ``function``), and whose outputs are those of
        ``function`` and one cotangent for each of ``wrt``, all in order.
    """
    sweep = _Sweep(function, wrt, outputs)
    body, primal = sweep.body, list(sweep.function.outputs)
    cts = sweep.cotangents()
    for v in sweep.outputs:
        cts.add(v, _cotangent_param(body, body.params, v))
    grads = sweep.run(cts)
    Residuals(sweep.root, split=False).run_whole()
    sweep.append(cts.b.block, [*primal, *grads])
    return sweep.function


def gradient(function: Function, wrt: Sequence[int], output: int = 0) -> Function:
    """The function that also gives the derivatives of its scalar output ``output`` with respect to the parameters
    ``wrt``, after its outputs."""
    sweep = _Sweep(function, wrt, [output])
    primal = list(sweep.function.outputs)
    (v,) = sweep.outputs
    if v.rank:
        raise DerivativeError(f"{function.name} has a gradient only where its output is a scalar, and it is {v.type}")
    cts = sweep.cotangents()
    cts.add(v, cts.b.const(1, v.dtype))
    grads = sweep.run(cts)
    Residuals(sweep.root, split=False).run_whole()
    sweep.append(cts.b.block, [*primal, *grads])
    return sweep.function


@record(frozen=True)
class Split:
    """A program and its derivative as two functions.

    Attributes:
        forward: Gives the outputs of the program, then ``residuals`` more.
        backward: Takes those, then cotangents of outputs; gives cotangents of inputs.
        residuals: The number of residuals.
    """

    forward: Function
    backward: Function
    residuals: int


def split(function: Function, wrt: Sequence[int], outputs: Sequence[int]) -> Split:
    """Forward and backward code as two functions; see :func:`vjp` for the arguments.

    Every length that the types of residuals and cotangents mention is a residual itself.
    """
    sweep = _Sweep(function, wrt, outputs)
    cts = sweep.cotangents()
    backward = cts.b.block
    seeds = []
    for v in sweep.outputs:
        seed = Value(v.type, backward, v.hint)
        seeds.append(seed)
        cts.add(v, seed)
    grads = sweep.run(cts)
    cts.b.return_(*grads)
    backward.params = seeds
    residuals = Residuals(sweep.root, split=True)
    residuals.run()
    stored = residuals.keep_at_root([d for v in sweep.outputs for d in v.shape if isinstance(d, Value)])
    params: list[Value] = []
    for v in stored:
        p = Value(map_type(v.type, dict(zip(stored, params))), backward, v.hint)
        params.append(p)
        residuals.keep(sweep.root, v, lambda b, p=p: p)  # type: ignore[misc]
    backward.params = [*params, *seeds]
    residuals.finish()
    body = sweep.body
    body.terminator.set_operands([*body.yields, *stored])
    return Split(sweep.function, Function(f"{function.name}_backward", backward, {"mutated": {}}), len(stored))


def transpose(function: Function, wrt: Sequence[int]) -> Function:
    """The transpose of a function that is linear in its parameters ``wrt``.

    Returns:
        A function of the other parameters and of one cotangent for each output (all of which are floating-point), whose
        outputs are the cotangents of the parameters ``wrt``.
    """
    sweep = _Sweep(function, wrt, range(len(function.outputs)))
    body = sweep.body
    cts = sweep.cotangents()
    for v in sweep.outputs:
        cts.add(v, _cotangent_param(body, body.params, v))
    grads = sweep.run(cts)
    Residuals(sweep.root, split=False).run_whole()
    sweep.append(cts.b.block, grads)
    with inserting(body, at=0) as b:
        # the derivative of a linear function does not depend on where it is taken
        for p in sweep.inputs:
            p.replace_by(b.full(0, p))
            p.set_type(ArrayType(p.dtype))
    body.params = [p for p in body.params if p not in sweep.inputs]
    return Function(f"{function.name}_transposed", body, {"mutated": {}})


def linearize(function: Function, wrt: Sequence[int]) -> Split:
    """A function that runs the program, and one that takes what it keeps and tangents of the parameters ``wrt`` to
    tangents of the floating-point outputs (``backward`` of the result, which runs forward here)."""
    outputs = [k for k, v in enumerate(function.outputs) if is_float(v)]
    parts = split(function, wrt, outputs)
    given = len(parts.backward.params)
    return Split(parts.forward, transpose(parts.backward, range(given - len(outputs), given)), parts.residuals)


def _cotangent_param(body: Block, given: Sequence[Value], v: Value) -> Value:
    """A parameter for the cotangent of ``v``, after parameters for lengths that are not among ``given``."""
    given = list(given)
    lengths = {d: body.add_param(INDEX, d.hint) for d in v.shape if isinstance(d, Value) and d not in given}
    return body.add_param(map_type(v.type, lengths), v.hint and f"ct_{v.hint}")


class _Sweep:
    """A copy of a function, and the reverse sweep over it."""

    def __init__(self, function: Function, wrt: Sequence[int], outputs: Sequence[int]) -> None:
        self.function = function = function.clone()
        run_in_parts(function)
        self.body = function.body
        self.inputs = [differentiable_param(function, k) for k in wrt]
        self.outputs = [function.outputs[k] for k in outputs]
        for k, v in zip(outputs, self.outputs):
            if not is_float(v):
                raise DerivativeError(f"output {k} of {function.name} is {v.type}: it has no derivative")
        activity = Activity(function)
        if expand(function, activity.varied(self.inputs)):
            self.outputs = [function.outputs[k] for k in outputs]
            activity = Activity(function)
        self.active = activity.varied(self.inputs) & activity.useful(self.outputs)
        self.root = Region(self.body, Block())

    def cotangents(self) -> Cotangents:
        """Those of the outputs, none yet; code goes into the backward block of the root region."""
        self.reverse = Reverse(self.active, list(self.function.walk()))
        return self.reverse.cotangents(Builder(self.root.backward))

    def run(self, cts: Cotangents) -> list[Value]:
        """Sweep; the cotangents of the inputs."""
        self.reverse.block(self.root, cts)
        grads = [cts.get_or_zero(p) for p in self.inputs]
        for p, g in zip(self.inputs, grads):
            # lengths that a loop carried are those of the input in the end
            g.set_type(p.type)
        return grads

    def append(self, backward: Block, outputs: Sequence[Value]) -> None:
        """Let the backward code follow the forward code."""
        body = self.body
        last = body.ops.pop()
        for op in backward.ops:
            body.append(op)
        last.set_operands(outputs)
        body.append(last)
