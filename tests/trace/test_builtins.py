"""Python's builtins on traced values give what Python gives."""

from __future__ import annotations

import builtins
import math

import numpy

from tracejit.trace.context import is_tracing
from tracejit.trace.numpy_api import lookup

from .run import Dynamic, traced
from .test_numpy_api import RNG, agree, arr


def builtin(name):
    function = getattr(builtins, name)
    return lambda *args, **kwargs: (lookup(function) if is_tracing() else function)(*args, **kwargs)


len_, sum_, min_, max_, any_, all_ = map(builtin, ["len", "sum", "min", "max", "any", "all"])


def test_extremes_and_sums():
    for n in (1, 3, 8, 20):
        x = RNG.normal(size=n)
        agree(lambda x: (min_(x), max_(x), sum_(x), sum_(x, 10), any_(x > 1), all_(x > -9)), x, dynamic=False)
        agree(lambda x: (sum_(x > 0), max_(x)), x.astype("f4"), dynamic=False)
    x = RNG.normal(size=20)
    assert traced(lambda x: sum_(x), Dynamic(x)) == sum(x)
    assert type(traced(lambda x: sum_(x), Dynamic(x[:0]))) is int
    for which in (min_, max_):
        assert traced(which, Dynamic(x)) == which(x)
        agree(which, x[:0])
    agree(lambda a, b, c: (min_(a, b, c), max_([a, b, c]), sum_([a, b, c]), max_(a, 2.5), min_((a,))), 3.0, 1, 2)
    agree(lambda x: sum_(x), arr(3, 2), dynamic=False)
    agree(lambda x: sum_(x), arr(12, 2), dynamic=False)
    agree(lambda a, b: (any_([a, b]), all_((a, b)), any_([0, a]), all_([True, b])), 0, 2.0)


def test_compensated_sums():
    """The sum of floats as Python 3.12 and later compute it, recorded and written out."""
    from tracejit.trace.numpy_api.builtins import summed

    def neumaier(items):
        total, lost = 0.0, 0.0
        for x in items:
            following = total + x
            lost += (total - following) + x if abs(total) >= abs(x) else (x - following) + total
            total = following
        return total + lost if math.isfinite(lost) else total

    for items in ([0.1] * 8, [1e16, 1.0, -1e16], [1.0, 1e100, 1.0, -1e100], [math.inf, 1.0], [-0.0, 0.5]):
        got = traced(lambda *x: summed(x, 0, True), *items)
        assert type(got) is float and got == neumaier(items)
    assert traced(lambda *x: summed(x, 0, True), 1, True, 3) == 5
    assert type(traced(lambda *x: summed(x, 0, True), 1, 0.5, numpy.float32(1))) is numpy.float32
    assert math.copysign(1, traced(lambda *x: summed(x, -0.0, True), -0.0)) == -1
    assert traced(lambda *x: summed(x, 1.5, True), 1, True) == 3.5


def test_lengths():
    agree(lambda x: len_(x), arr(3, 2))
    agree(lambda x: len_(x), numpy.array(1.0))
    agree(lambda x: len_([x, x]), arr(3))


def test_numbers_of_arrays_without_axes():
    float_, int_, bool_ = map(builtin, ["float", "int", "bool"])
    agree(lambda x: (float_(x), int_(x), bool_(x), math.sqrt(2.0)), numpy.array(2.5))
    agree(lambda x: float_(x), arr(1))
    agree(lambda x: bool_(x), arr(1))
    agree(lambda x: bool_(x), arr(2))
    agree(lambda x: bool_(x), arr(0))
    agree(lambda a, b: builtin("complex")(a, b), 1.5, -2)


def test_printing(capsys):
    print_ = builtin("print")
    from .test_scalars import either

    def program(x, n, f, s):
        print_(x, n, f, "text", s, None)
        print_(f, x[0], sep="-", end="!\n")
        print_(either(1, 2.5)(s), either(1, 2.5)(not s if isinstance(s, bool) else n > 100))
        print_()

    arguments = (arr(3), 2, 0.1, True)
    program(*arguments)
    want = capsys.readouterr().out
    traced(program, *arguments)
    assert capsys.readouterr().out == want
