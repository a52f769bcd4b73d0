"""Arguments that the function knows from elsewhere, too: globals, closures, attributes."""

import numpy as np

from .registry import REFUSED, scenario

STATE = np.array([1.0, 2.0, 3.0])


class Holder:
    def __init__(self, data):
        self.data = data


@scenario()
def writes_an_argument_that_is_captured_too(jit):
    state = np.arange(4.0)

    def f(x, k):
        x[0] += 1.0
        state[1] += 10 * x[0]
        x[2] = STATE[0]
        return state.sum() * k, x is state, x is STATE

    f = jit(f)
    log = []
    other = np.ones(4)
    for x in (state, other, state, STATE, state):
        log.append((f(x, 2.0), state.copy(), other.copy(), STATE.copy()))
    STATE[:] = 1.0, 2.0, 3.0
    return log


@scenario()
def returns_an_argument_that_is_captured_too(jit):
    state = np.arange(4.0)

    def f(x, y):
        y[0] = 7.0
        return state, x, state[1:]

    a, b, c = jit(f)(state, state)
    c[0] = 3.0
    return a is state, b is state, c.base is state, state


@scenario()
def writes_an_array_that_an_argument_holds_too(jit):
    def f(holder, x):
        holder.data[0] += x[1]
        x[1] += holder.data[0]
        return holder.data is x

    f = jit(f)
    log = []
    for n in (3, 4, 5, 4):
        x = np.arange(float(n))
        log.append((f(Holder(x), x), x, f(Holder(x + 1), x), x.copy()))
    return log


@scenario()
def two_places_of_the_state_that_are_one_array(jit):
    first = Holder(np.arange(3.0))
    second = Holder(first.data)

    def f(x):
        first.data[0] += x
        return second.data.sum()

    f = jit(f)
    log = [f(1.0), f(2.0)]
    second.data = np.ones(3)
    log += [f(1.0), first.data.copy()]
    first.data = second.data
    return [*log, f(5.0), first.data]


@scenario(allow=REFUSED)
def writes_an_argument_that_overlaps_what_is_captured(jit):
    state = np.arange(6.0)

    def f(x):
        x[0] += 1.0
        return state.sum()

    return jit(f)(state[1:]), state
