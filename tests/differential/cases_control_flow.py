"""if, elif, else, ternaries, and/or/not, chained comparisons, early returns, match; on traced and static values."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import EDGE, EDGE_INTS, each, inf, nan, rand, vectors
from .registry import case as any_case

case = partial(any_case, rtol=0)  # plain arithmetic: bit for bit
SCALARS = each(3.0, -2.5, 0.0, -0.0, nan, inf, -inf, 7, -7, 0, True)


@case(lambda rng: SCALARS)
def if_else(x):
    if x > 0:
        y = x * 2
    else:
        y = x - 1
    return y


@case(lambda rng: SCALARS)
def if_without_else(x):
    y = x
    if x < 0:
        y = -x
    return y


@case(lambda rng: each(-5.0, 0.0, 0.5, 2.0, 50.0, nan, 3))
def elif_chain(x):
    if x < 0:
        grade = -1
    elif x == 0:
        grade = 0
    elif x < 1:
        grade = 1
    elif x < 10:
        grade = 2
    else:
        grade = 3
    return grade


@case(lambda rng: [(1.0, 2.0), (2.0, 1.0), (-1.0, 2.0), (-1.0, -2.0), (nan, 1.0), (0.0, 0.0)])
def nested_ifs(a, b):
    if a > 0:
        if b > a:
            r = b - a
        else:
            r = a - b
    else:
        if b > 0:
            r = a * b
        else:
            r = a + b
    return r


@case(lambda rng: each(-3.0, 3.0, 0.0, nan))
def early_return(x):
    if x < 0:
        return -1.0
    return x * 2


@case(lambda rng: each(-3.0, 3.0, 0.0, 100.0, nan))
def several_early_returns(x):
    if x < 0:
        return 0.0
    y = x * x
    if y > 100:
        return 100.0
    z = y + 1
    if z > 5:
        return z
    return y


@case(lambda rng: each(-3.0, 3.0))
def return_in_both_arms(x):
    if x > 0:
        return x, x + 1
    else:
        return -x, x - 1


@case(lambda rng: [(3.0, 4.0), (-3.0, 4.0), (3.0, -4.0), (nan, 0.0)])
def ternary(a, b):
    return (a if a > b else b) - (a if a < b else b)


@case(lambda rng: each(-1.5, 0.0, 1.5, 15.0))
def nested_ternary(x):
    return -1 if x < 0 else 0 if x == 0 else 1 if x < 10 else 2


@case(lambda rng: [(0.5,), (1.0,), (-0.5,), (2.0,), (nan,), (0,), (1,)])
def chained_comparison(x):
    if 0 <= x < 1:
        return 10
    return 20


@case(lambda rng: [(1, 2, 3), (3, 2, 1), (1, 1, 1), (1, 3, 2), (2, 2, 5)])
def chained_comparison_of_three(a, b, c):
    return (a < b < c, a <= b <= c, a == b == c, a < b > c, a != b != c)


@case(lambda rng: [(1.0, 2.0), (-1.0, 2.0), (1.0, -2.0), (-1.0, -2.0), (nan, nan)])
def and_or_not(a, b):
    r = 0
    if a > 0 and b > 0:
        r += 1
    if a > 0 or b > 0:
        r += 2
    if not a > 0:
        r += 4
    if not (a > 0 and not b > 0):
        r += 8
    return r


@case(lambda rng: [(0, 5), (3, 5), (0, 0), (-1, 0), (3, 0)])
def and_or_return_operands_int(a, b):
    return a and b, a or b, not a


@case(lambda rng: [(0.0, 5.0), (3.0, 5.0), (-0.0, 0.0), (nan, 0.0), (3.0, 0.0)])
def and_or_return_operands_float(a, b):
    return a and b, a or b, not a


@case(lambda rng: [(np.array([1.0, 2.0]), 1), (np.array([1.0, 2.0]), 5), (np.array([]), 0), (np.array([3.0]), -1)])
def short_circuit_guards_an_index(x, i):
    if 0 <= i and i < len(x) and x[i] > 1.5:
        return True
    return False


@case(lambda rng: [(6, 3), (6, 0), (0, 5), (7, 2)])
def short_circuit_guards_a_division(a, b):
    return b != 0 and a // b > 2


@case(lambda rng: [(True, False), (False, True), (True, True), (False, False)])
def python_booleans(p, q):
    return p and q, p or q, not p, p == q, p != q, p & q, p | q, p ^ q, p + q


@case(lambda rng: each(*EDGE))
def truth_of_a_float(x):
    if x:
        return 1
    return 0


@case(lambda rng: each(*EDGE_INTS))
def truth_of_an_int(x):
    return 1 if x else 0


@case(
    lambda rng: each(
        np.float64(0), np.float64(2), np.int32(0), np.bool_(True), np.array(0.0), np.array(3), np.array([0])
    )
)
def truth_of_numpy_values(x):
    if x:
        return "yes"
    return "no"


@case(lambda rng: each(np.array([1.0, 2.0]), np.zeros((2, 2)), np.array([])), raises=ValueError)
def truth_of_an_array_is_ambiguous(x):
    if x > 0:
        return 1
    return 0


@case(lambda rng: [(rand(rng, 4), "double"), (rand(rng, 4), "half"), (rand(rng, 4), "other")])
def static_string_condition(x, mode):
    if mode == "double":
        return x * 2
    elif mode == "half":
        return x / 2
    return x


@case(lambda rng: [(rand(rng, 3), "double", 1), (rand(rng, 3), "half", 2), (rand(rng, 3), "none", 3)])
def match_on_a_string(x, mode, k):
    match mode:
        case "double":
            return x * 2 * k
        case "half" | "halve":
            return x / 2
        case _:
            return x


@case(lambda rng: each((1.0, 2.0), (1.0, 2.0, 3.0), (1.0,), ()))
def match_on_the_structure_of_an_argument(point):
    match point:
        case (x, y):
            return x + y
        case (x, y, z):
            return x * y * z
        case (x,):
            return x
        case _:
            return 0.0


@case(lambda rng: each(rand(rng, 4), rand(rng, (2, 3)), np.array(2.5), rand(rng, (2, 2, 2))))
def condition_on_ndim(x):
    if x.ndim == 0:
        return x + 1
    if x.ndim == 1:
        return x[0]
    if x.ndim == 2:
        return x[0, 0]
    return x.sum()


@case(lambda rng: [(rand(rng, 4), None), (rand(rng, 4), 2.0), (rand(rng, 4), 0.0)])
def none_as_a_default_value(x, scale):
    if scale is None:
        scale = 10.0
    return x * scale


@case(lambda rng: each(3.0, -3.0, 0.0))
def pass_and_docstring(x):
    """An arm that does nothing."""
    if x > 0:
        pass
    else:
        x = x - 1
    return x


@case(lambda rng: each(3.0, -3.0), raises=UnboundLocalError)
def unbound_in_one_arm(x):
    if x > 0:
        y = x
    return y


@case(lambda rng: each(3.0, -3.0))
def bound_in_one_arm_and_not_used(x):
    if x > 0:
        y = x + 1
        x = y * 2
    return x


@case(lambda rng: each(4.0, -4.0))
def arms_assign_different_names(x):
    a = b = 1.0
    if x > 0:
        a = x
    else:
        b = x
    return a, b


@case(lambda rng: each(4.0, -4.0, 0.0))
def arms_swap_names(x):
    a, b = 1.0, 2.0
    if x > 0:
        a, b = b, a
    return a, b


@case(lambda rng: [(rand(rng, 4), 1.0), (rand(rng, 4), -1.0)])
def arms_bind_arrays(x, c):
    if c > 0:
        y = x + 1
    else:
        y = np.zeros(4)
    return y * 2


@case(lambda rng: vectors(rng, "f8", "f4", "i4"))
def condition_on_a_reduction(x):
    if x.sum() > 0:
        x = x * 2
    return x


@case(lambda rng: vectors(rng, "f8", "i8", "?"))
def condition_on_any_and_all(x):
    if (x > 0).all():
        return 1
    if np.any(x > 0):
        return 2
    return 3


@case(lambda rng: each(5, 12, 100, -3))
def walrus_in_a_condition(n):
    if (m := n * 2) > 20:
        return m
    return m + 1000


@case(lambda rng: each(3.0, -3.0, 0.0))
def del_in_straight_code(x):
    y = x * 2
    z = y + 1
    del y
    return z


@case(lambda rng: [(1.0, 2), (-1.0, 2), (1.0, 3)])
def isinstance_on_arguments(x, n):
    r = 0
    if isinstance(x, float):
        r += 1
    if isinstance(n, int):
        r += 2
    if isinstance(n, float):
        r += 4
    if isinstance(x, (int, np.ndarray)):
        r += 8
    return r


@case(lambda rng: each(1.5, 2, True, np.float32(1), np.array([1.0]), np.int64(3), None, "text", 1j))
def isinstance_dispatch(x):
    if x is None:
        return "none"
    if isinstance(x, str):
        return "string"
    if isinstance(x, np.ndarray):
        return "array"
    if isinstance(x, np.generic):
        return "numpy scalar"
    if isinstance(x, bool):
        return "bool"
    if isinstance(x, int):
        return "int"
    if isinstance(x, float):
        return "float"
    return "something else"


@case(lambda rng: each(1.0, 2, True))
def type_of_a_scalar(x):
    return type(x) is float, type(x) is int, type(x) is bool, type(x * 1.0) is float


@case(lambda rng: [(5,), (-5,), (0,)])
def isinstance_on_a_traced_scalar(n):
    y = n * 2
    if y > 0:
        z = y + 1
    else:
        z = y - 1
    return isinstance(z, int), isinstance(z, float), z


@case(lambda rng: each(2.0, -2.0, 0.0, nan))
def comparison_results_are_used_as_numbers(x):
    return (x > 0) - (x < 0)
