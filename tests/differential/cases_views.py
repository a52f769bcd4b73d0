"""Views: which object a name is bound to, and what is seen through it, by path and by turn."""

import numpy as np

from .registry import case


def xs():
    return lambda rng: [(np.arange(12.0).reshape(3, 4), n) for n in (0, 1, 2, 3)]


@case(xs())
def transposed_or_not(x, n):
    v = x.T
    w = v if n else x
    return [v, w, (w, v)], {"v": v, "x": x}, w is v, w is x


@case(xs())
def rows_that_may_be_one(x, n):
    r = x[0]
    s = x[n % 3]
    t = r if n > 1 else s
    t[0] = 5
    return r, s, t, t is r, t is s, r is s


@case(xs())
def rows_kept_in_a_list(x, n):
    out = []
    for i in range(3):
        row = x[i]
        out.append(row)
        row[n] += 1
    return out, out[0] is row, out[2] is row


@case(xs())
def best_row_or_none(x, n):
    best = None
    for i in range(3):
        row = x[i]
        if best is None or row[n] > best[n]:
            best = row
    best[0] = -1
    return best


@case(xs())
def best_row_so_far(x, n):
    best = x[0]
    for i in range(n):
        if x[i, 0] >= best[0]:
            best = x[i]
    best[:] = 0
    return best, best is x


@case(xs())
def parts_of_a_complex_array(x, n):
    c = x * (1 + 2j)
    re, im = c.real, c.imag
    z = re if n > 1 else im
    z[0] = 100
    return c, z, z is re, [z, re, im]


@case(xs())
def without_axes_or_a_part(x, n):
    z = np.array(2.0)
    y = z if n else x[0, :1]
    return y, z, y is z


@case(xs())
def parts_that_change_places(x, n):
    a, b = x[:1], x[1:]
    while n:
        a, b = b, a
        n -= 1
        a[0, 0] += 1
    return a, b, [a]


@case(xs())
def three_names(x, n):
    a = b = x[:2]
    if n > 1:
        b = x[1:]
    if n > 2:
        a = b
    b += 1
    return a, b, a is b


@case(xs())
def row_by_a_helper(x, n):
    def pick(k):
        return x[k] if k < 2 else x[0]

    a, b = pick(n), pick(n)
    a[1] = 50
    return a, b, a is b


@case(xs())
def flat_forms(x, n):
    flat = x.ravel()
    flat[n] = 99
    f2 = x.reshape(-1)
    f2[n + 1] = 98
    sq = np.squeeze(x[:, :1])
    return flat, f2, sq, x.flatten(), flat is f2


@case(xs())
def rows_in_a_dict(x, n):
    d = {}
    for k in ("a", "b"):
        d[k] = x[len(d)]
    e = d["a"] if n > 1 else d["b"]
    e *= 2
    return d, e, e is d["a"], e is d["b"]


@case(xs())
def head_and_tail(x, n):
    h, t = x[:n], x[n:]
    h, t = (t, h) if n % 2 else (h, t)
    if h.size:
        h[0] = 0
    return h, t, np.concatenate([h, t])


@case(xs())
def sum_that_becomes_new(x, n):
    acc = x[0]
    for i in range(1, 3):
        acc = acc + x[i]
        if i == n:
            acc[:] = 0
    return acc


@case(xs())
def row_and_buffer(x, n):
    cur, nxt = x[0], np.zeros(4)
    for i in range(n):
        nxt[:] = cur * 2
        nxt[i] = cur[i] - 1
        cur, nxt = nxt, cur
    return cur, nxt, cur is nxt


@case(xs())
def diagonals_and_broadcasts(x, n):
    d = np.diag(x[:3, :3])
    e = np.diagonal(x)
    g = np.broadcast_to(x[0], (2, 4))
    return d, e, g, g[n % 2]


@case(xs(), raises=ValueError)
def writeable_or_not(x, n):
    e = np.diagonal(x)
    y = e if n > 1 else x[0]
    y[0] = 5
    return y


@case(xs(), raises=IndexError)
def row_replaced_in_a_list(x, n):
    it = [x[i] for i in range(3)]
    it[n] = it[n] * 2
    it[0][0] = 77
    a, *b = it
    return a, b, it


@case(xs())
def shrinking_matrix(x, n):
    s = x
    for i in range(n):
        s = s[:-1]
    s[...] = 0
    return s, s is x


@case(xs())
def equal_views_exchanged(x, n):
    s = x[0]
    t = x[0]
    for i in range(n):
        s, t = t, s
    s[0] = 9
    return s, t, s is t


@case(xs())
def last_row(x, n):
    v = x[0]
    keep = v
    for i in range(n):
        v = x[i]
    return v, keep, v is keep


@case(xs())
def row_by_turn(x, n):
    v = x[0]
    for i in range(n):
        if i % 2:
            v = x[i]
        v[0] += 1
    return v


@case(xs())
def chain_of_choices(x, n):
    a = x[0] if n > 0 else x[1]
    b = a if n > 1 else x[2]
    c = b if n > 2 else a
    c[0] = 42
    return a, b, c, a is b, b is c, a is c


@case(xs())
def tuple_or_its_reverse(x, n):
    p = (x[0], x[1])
    q = p if n > 1 else p[::-1]
    q[0][0] = 3
    return p, q, q[0] is p[0]


@case(xs())
def transposed_twice(x, n):
    t = x.T
    u = t.T
    w = np.transpose(x, (1, 0)) if n > 1 else t
    w[0, 0] = 8
    return u, w, u is x, w is t


@case(xs())
def fewer_rows_by_path(x, n):
    y = x
    if n > 1:
        y = y[1:]
    if n > 2:
        y = y[1:]
    y += 1
    return y, y is x


@case(xs())
def row_of_a_copy_or_not(x, n):
    y = x.copy() if n % 2 else x
    z = y[0]
    y[0] = 1
    if n > 1:
        y = x
    y[0, 0] = 2
    return z, y, y is x


@case(xs())
def views_of_a_new_array(x, n):
    a = np.empty(3, dtype=x.dtype)
    views = [a[:1], a[1:], a]
    for k, v in enumerate(views):
        v[...] = k + n
    return views, a
