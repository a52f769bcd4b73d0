"""Arrays that are apart, overlap or are one, in programs that write, choose, exchange and raise."""

import numpy as np

from .registry import case


def ab(*rest):
    def f(rng):
        out = []
        for i in (0, 1, 2, 3, 5):
            out.append((np.arange(4.0), np.arange(4.0) * 10, i, *rest))
            b = np.arange(6.0)
            out.append((b[:4], b[2:], i, *rest))
            b = np.arange(6.0)
            out.append((b, b, i, *rest))
            b = np.arange(8.0)
            out.append((b[::2], b[1::2], i, *rest))
            b = np.arange(5.0)
            out.append((b[::-1], b, i, *rest))
        return out

    return f


@case(ab(), raises=IndexError)
def store_after_a_choice(a, b, i):
    a[0] = 5
    b[1] += a[1]
    c = a if i > 1 else b
    c[i] = -1
    return c, a is c, b is c


@case(ab(), raises=IndexError)
def exchanged_in_a_loop(a, b, i):
    for k in range(i):
        a[k] = b[k] + 1
        a, b = b, a
    return a, b


@case(ab(), raises=IndexError)
def exchanged_by_a_ternary(a, b, i):
    a, b = (b, a) if i > 2 else (a, b)
    a[i] += 1
    b[:] = a[::-1][: len(b)] if len(a) >= len(b) else 0
    return [a, b]


@case(ab(), raises=IndexError)
def one_of_two_in_a_loop(a, b, i):
    r = a
    for k in range(i):
        if k % 2:
            r = b
        else:
            r = a
        r[k] += 1
    return r, r is a


@case(ab())
def views_of_both(a, b, i):
    v = a[1:]
    w = b[:2] if i > 1 else v
    w[0] = 7
    v += 1
    return v, w, w is v


@case(ab(), raises=IndexError)
def three_names_in_a_dict(a, b, i):
    d = {"a": a, "b": b, "c": a[:2]}
    for k in d:
        d[k][0] += 1
    d["a"][i] = 3
    return d


@case(ab(), raises=IndexError)
def loop_until_it_raises(a, b, i):
    while a[i] < 6:
        a += 1
        b[i] -= 2
        if b.min() < -20:
            break
    return a, b


@case(ab())
def copy_or_argument(a, b, i):
    x = a.copy() if i else a
    x[1] = 100
    y = b if x[0] > 0 else x
    y[0] = 50
    return x, y, x is y, x is a


@case(ab())
def exchanged_by_a_helper(a, b, i):
    def swap(p, q):
        return q, p

    for k in range(3):
        a, b = swap(a, b)
        a[k] = b[k] * 2 + i
    return a, b, a is b


@case(ab())
def parts_exchanged(a, b, i):
    a[i:], b[:i] = b[i:].copy(), 0
    return np.concatenate([a, b])


@case(ab(), raises=IndexError)
def out_of_ufuncs(a, b, i):
    np.add(a, b, out=a) if a.shape == b.shape else None
    np.multiply(a[1:], 2, out=a[:-1])
    b[i] = a.sum()
    return a


@case(ab(), raises=IndexError)
def loop_else_that_raises(a, b, i):
    for x in (a, b):
        for k in range(len(x)):
            if k == i:
                x[k] = -1
                break
        else:
            raise IndexError("not found", i)
    return a


@case(ab(), raises=IndexError)
def read_while_written(a, b, i):
    s = 0.0
    for p, q in zip(a, b):
        a[i] += p
        s += q
    return s


@case(ab())
def returned_out_of_the_exchange(a, b, i):
    for row in range(i):
        t = a
        a = b
        b = t
        if row == 3:
            return a, b, t
        t[row] = row
    return None


@case(ab())
def views_exchanged(a, b, i):
    x, y = a[:2], a[2:]
    for k in range(i):
        x, y = y, x
        x[0] += k
    return x, y


@case(ab())
def shrinking_view(a, b, i):
    x = a
    for k in range(i):
        x = x[1:] if len(x) > 1 else x
        x[0] = -k
    return x


@case(ab())
def reversed_choice(a, b, i):
    best = a
    if b.sum() > a.sum():
        best = b
    if i > 2:
        best = best[::-1]
    best[0] = 99
    best /= i - 1
    return best


@case(ab(), raises=IndexError)
def items_exchanged(a, b, i):
    c = np.where(a[:3] > 1, a[:3], b[:3])
    a[:3] = c[::-1]
    del c
    e = b
    e[i], e[0] = e[0], e[i]
    return e is b, e


@case(ab())
def asked_whether_they_are_one(a, b, i):
    if a is b:
        return "same"
    m = a if i % 2 else b
    n = b if i % 2 else a
    m[:2] = n[:2]
    return m is n, m, n
