"""Threads that call at once, fork, recursion, KeyboardInterrupt, garbage collection."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from .registry import REFUSED, scenario


def count_down(n):
    total = 0.0
    while n > 0:
        total = total + n * 0.5
        n = n - 1
    return total


def spin(x):
    """Practically endless."""
    i = 0
    while x > 0:
        i = i + 1
        if i > 10**15:
            x = x - 1.0
        i = i - (i > 1000) * 1000
    return i


def fill(x, v):
    for i in range(len(x)):
        x[i] = v + i
    return x


@contextmanager
def interrupt_after(seconds):
    """Ctrl-C in a while."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, lambda number, frame: os.kill(os.getpid(), signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGINT, previous)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


@scenario()
def many_threads_call_one_function(jit):
    f = jit(count_down)
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(f, [k % 7 for k in range(40)]))


@scenario()
def many_threads_compile_different_versions_at_once(jit):
    f = jit(lambda x: x * 2 + 1)
    inputs = [1, 2.5, True, *(np.ones(n, d) for n in (0, 1, 2, 3) for d in ("f8", "f4", "i4", "i8")), np.ones((2, 2))]
    barrier = threading.Barrier(len(inputs))

    def call(x):
        barrier.wait(30)
        return f(x)

    with ThreadPoolExecutor(len(inputs)) as pool:
        return list(pool.map(call, inputs))


@scenario()
def many_threads_write_into_their_own_arrays(jit):
    f = jit(fill)
    arrays = [np.zeros(50) for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(f, arrays, range(20)))
    return arrays, results


@scenario()
def threads_while_the_main_thread_calls(jit):
    f = jit(count_down)
    stop = threading.Event()
    wrong = []

    def work():
        while not stop.is_set():
            if f(20) != 105.0:
                wrong.append(f(20))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    mine = [f(k) for k in range(20)]
    stop.set()
    for worker in workers:
        worker.join()
    return mine, wrong


@scenario()
def exceptions_in_threads(jit):
    def divide(a, b):
        return 10 // b if a > 0 else a

    f = jit(divide)

    def call(k):
        try:
            return f(1, k % 3)
        except ZeroDivisionError as error:
            return type(error), str(error)

    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(call, range(30)))


@scenario()
def fork_before_and_after_compiling(jit):
    f = jit(count_down)
    log = [f(3)]
    for argument in (5, 2.5):  # compiled in the parent, and not yet
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writer, pickle.dumps((f(argument), f(3))))
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            log.append(pickle.loads(pipe.read()))
        log.append(os.waitpid(pid, 0)[1])
    return [*log, f(2.5)]


@scenario()
def keyboard_interrupt_in_a_long_loop(jit):
    f = jit(spin)
    log = [f(-1.0)]
    try:
        with interrupt_after(0.03):
            f(1.0)
    except KeyboardInterrupt as error:
        log.append(type(error))
    return [*log, f(-1.0)]


@scenario()
def keyboard_interrupt_leaves_whole_elements(jit):
    def fill_forever(x, n):
        k = 0
        while n > 0:
            x[k % 4] = 7.0
            k = k + 1 if k < 100 else 0
        return k

    f = jit(fill_forever)
    x = np.zeros(4)
    log = [f(x, 0)]
    try:
        with interrupt_after(0.03):
            f(x, 1)
    except KeyboardInterrupt:
        log.append(x.copy())
    return [*log, f(x, 0)]


@scenario()
def keyboard_interrupt_of_a_timer_thread(jit):
    import _thread

    f = jit(spin)
    f(-1.0)
    timer = threading.Timer(0.03, _thread.interrupt_main)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        f(1.0)
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        timer.join()
        signal.signal(signal.SIGINT, previous)
    return "not interrupted"


@scenario(allow=REFUSED)
def recursion_without_end_on_a_static_argument(jit):
    def f(x, n="a"):
        return f(x, n + "a") + 1

    limit = sys.getrecursionlimit()
    g = jit(f)
    try:
        g(1.0)
    except RecursionError:
        return "too deep", limit == sys.getrecursionlimit()
    return "no error"


@scenario()
def recursion_through_the_compiled_function(jit):
    def factorial(n):
        return 1.0 if len(n) == 0 else len(n) * compiled(n[1:])

    compiled = jit(factorial)
    return compiled(np.ones(5)), compiled(np.ones(0)), compiled(np.ones(3))


@scenario()
def results_and_arguments_are_freed(jit):
    f = jit(lambda x: (x * 2, x))
    x = np.ones(100)
    reference = weakref.ref(x)
    result, same = f(x)
    count = sys.getrefcount(result)
    log = [same is x, count == sys.getrefcount(result)]
    del x, same
    gc.collect()
    log.append(reference() is None)
    return log


@scenario()
def arguments_are_freed_after_an_exception(jit):
    def f(x):
        x[0] = 1.0
        return x[100]

    f = jit(f)
    x = np.ones(10)
    reference = weakref.ref(x)
    before = sys.getrefcount(x)
    for _ in range(3):
        try:
            f(x)
        except IndexError:
            pass
    gc.collect()
    log = [sys.getrefcount(x) == before]
    del x
    gc.collect()
    return [*log, reference() is None]


@scenario()
def many_calls_do_not_leak(jit):
    f = jit(lambda x, p: {"a": x + p["k"], "b": [x, None, 2.5]})
    x, p = np.ones(10), {"k": 3}
    f(x, p)
    for _ in range(3):
        gc.collect()  # each also stops looking after tuples of what it need not look after: in three levels, here
    before = sys.getrefcount(x), sys.getrefcount(p), len(gc.get_objects())
    for _ in range(200):
        f(x, p)
    gc.collect()
    after = sys.getrefcount(x), sys.getrefcount(p), len(gc.get_objects())
    return before[:2] == after[:2], abs(after[2] - before[2]) < 100


@scenario()
def a_compiled_function_can_be_dropped(jit):
    class Model:
        def __init__(self):
            self.f = jit(lambda x: x * 2 if x > 0 else x)

    m = Model()
    log = [m.f(1.5)]
    reference = weakref.ref(m)
    del m
    gc.collect()
    return [*log, reference() is None]
