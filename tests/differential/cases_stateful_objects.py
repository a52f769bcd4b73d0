"""Python objects with a state of their own, in branches and loops that are recorded: the right answer, or an error."""

from __future__ import annotations

import array
import collections
import heapq
import itertools
from functools import partial

from .inputs import each
from .registry import REFUSED
from .registry import case as any_case

case = partial(any_case, rtol=0, allow=REFUSED)


@case(lambda rng: each(3, 0))
def deque_append_in_a_loop(n):
    d = collections.deque([5])
    for i in range(n):
        d.append(i)
    return d


@case(lambda rng: each(3, 0))
def deque_popleft_in_a_branch(n):
    d = collections.deque([5, 6])
    if n > 5:
        d.popleft()
    return d


@case(lambda rng: each(3, 0))
def deque_rotate_in_a_loop(n):
    d = collections.deque([5, 6, 7])
    s = 0
    for i in range(n):
        s += d[0]
        d.rotate(1)
    return s


@case(lambda rng: each(3, 0))
def defaultdict_in_a_loop(n):
    d = collections.defaultdict(int)
    for i in range(n):
        d["a"] += i
    return d


@case(lambda rng: each(3, 0))
def defaultdict_read_in_a_branch(n):
    d = collections.defaultdict(int)
    if n > 5:
        d["a"]
    return d


@case(lambda rng: each(3, 0))
def counter_in_a_loop(n):
    d = collections.Counter()
    for i in range(n):
        d["a"] += 1
    return d


@case(lambda rng: each(3, 0))
def ordered_dict_in_a_branch(n):
    d = collections.OrderedDict(a=1, b=2)
    if n > 5:
        d.move_to_end("a")
    return list(d)


@case(lambda rng: each(3, 0))
def bytearray_append(n):
    d = bytearray(b"ab")
    if n > 5:
        d.append(3)
    return d


@case(lambda rng: each(3, 0))
def bytearray_store(n):
    d = bytearray(b"ab")
    if n > 5:
        d[0] = 1
    return d


@case(lambda rng: each(3, 0))
def array_append(n):
    d = array.array("i", [1, 2])
    if n > 5:
        d.append(3)
    return len(d)


@case(lambda rng: each(3, 0))
def count_in_a_loop(n):
    c = itertools.count()
    s = 0
    for i in range(n):
        s += next(c)
    return s


@case(lambda rng: each(3, 0))
def cycle_in_a_loop(n):
    c = itertools.cycle([1, 2])
    s = 0
    for i in range(n):
        s += next(c)
    return s


@case(lambda rng: each(3, 0))
def it_in_arm(n):
    it = iter([1, 2, 3])
    if n > 5:
        next(it)
    return next(it)


@case(lambda rng: each(3, 0))
def it_for(n):
    it = iter([1, 2, 3])
    s = 0
    for i in range(n):
        for v in it:
            s += v
    return s


@case(lambda rng: each(3, 0))
def it_list(n):
    it = iter([1, 2, 3])
    s = 0
    for i in range(n):
        s += sum(it)
    return s


@case(lambda rng: each(3, 0))
def it_zip(n):
    it = zip([1, 2, 3], [4, 5, 6])
    s = 0
    for i in range(n):
        for a, b in it:
            s += a * b
    return s


@case(lambda rng: each(3, 0))
def it_unpack(n):
    it = iter([1, 2, 3, 4])
    s = 0
    while n > 0:
        a, b = itertools.islice(it, 2)
        s += a
        n -= 2
    return s


@case(lambda rng: each(3, 0))
def it_genexp(n):
    it = (k * 2 for k in [1, 2, 3])
    s = 0
    for i in range(n):
        for a in it:
            s += a
    return s


@case(lambda rng: each(3, 0))
def it_inside(n):
    s = 0
    for i in range(n):
        it = iter([1, 2, 3])
        s += next(it) * 10 + next(it)
    return s


@case(lambda rng: each(3, 0))
def it_star(n):
    it = iter([1, 2, 3])
    s = 0
    for i in range(n):
        s += len([*it])
    return s


@case(lambda rng: each(3, 0))
def it_in(n):
    it = iter([1, 2, 3])
    s = 0
    for i in range(n):
        s += 2 in it
    return s


@case(lambda rng: each(3, 0))
def heap_in_a_branch(n):
    h = [5, 3, 8]
    heapq.heapify(h)
    if n > 5:
        heapq.heappop(h)
    return h


@case(lambda rng: each(3, 0))
def set_in_a_branch(n):
    s = {1, 2}
    if n > 5:
        s |= {3}
    return s


class Acc:
    def __init__(self):
        self.items = collections.deque()
        self.t = {}

    def add(self, v):
        self.items.append(v)
        return len(self.items)


@case(lambda rng: each(3, 0))
def deque_in_an_object(n):
    a = Acc()
    s = 0
    for i in range(n):
        s += a.add(1)
    return s


class It:
    def __init__(self):
        self.k = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.k += 1
        if self.k > 3:
            raise StopIteration
        return self.k


@case(lambda rng: each(3, 0))
def userit(n):
    s = 0
    for v in It():
        s += v * n
    return s


@case(lambda rng: each(3, 0))
def userit2(n):
    it = It()
    s = 0
    for i in range(n):
        s += next(it)
    return s


@case(lambda rng: each(3, 0))
def memoryview_store(n):
    b = bytearray(b"ab")
    m = memoryview(b)
    if n > 5:
        m[0] = 9
    return bytes(b)


@case(lambda rng: each(3, 0))
def setattr_fn(n):
    def g():
        pass

    g.k = 1
    if n > 5:
        g.k = 2
    return g.k


@case(lambda rng: each(3, 0))
def cls_attr(n):
    class A:
        k = 1

    if n > 5:
        A.k = 2
    return A.k


@case(lambda rng: each(3, 0))
def nested_dict(n):
    d = {"a": {"b": [1, 2]}}
    if n > 5:
        d["a"]["b"][0] = 7
    return d


@case(lambda rng: each(3, 0))
def sorted_inplace(n):
    l = [3, 1, 2]
    if n > 5:
        l.sort()
    return l


@case(lambda rng: each(3, 0))
def slice_assign(n):
    l = [3, 1, 2]
    if n > 5:
        l[:] = [1, 2, 3]
    return l


@case(lambda rng: each(3, 0))
def del_slice(n):
    l = [3, 1, 2]
    if n > 5:
        del l[1:]
    return l
