"""Convolutions, interpolation, and folding with any ufunc."""

from __future__ import annotations

from typing import Any

import numpy as np


def convolve(x: Any, y: Any, out: Any) -> None:
    """Add to the zeros in ``out`` the sums of products of ``x`` and the reversed ``y``."""
    n = len(x)
    for j in range(len(y)):
        out[j : j + n] += y[j] * x


def interpolate(x: Any, places: Any, values: Any, before: Any, after: Any, out: Any) -> None:
    """Values at ``x`` on the lines between the points; ``places`` increase."""
    last = len(places) - 1
    for k in range(len(x)):
        at = x[k]
        if at < places[0]:
            out[k] = before
        elif at > places[last]:
            out[k] = after
        elif at == places[last]:
            out[k] = values[last]
        elif at != at:
            out[k] = np.nan
        else:
            low, high = np.int64(0), np.int64(last)
            while low < high - 1:  # places[low] <= at < places[high]
                middle = (low + high) >> 1
                if places[middle] <= at:
                    low = middle
                else:
                    high = middle
            slope = (values[high] - values[low]) / (places[high] - places[low])
            found = slope * (at - places[low]) + values[low]
            if found != found:  # between infinities
                found = slope * (at - places[high]) + values[high]
                if (found != found) & (values[low] == values[high]):
                    found = values[low]
            out[k] = values[low] if at == places[low] else found


def fold(ufunc: Any, x: Any, out: Any) -> None:
    """Combine the rows of ``x`` with ``out``, which holds the first one."""
    for k in range(1, len(x)):
        out[...] = ufunc(out, x[k])


def change_at(ufunc: Any, x: Any, index: Any, values: Any) -> None:
    """``x[i] = ufunc(x[i], v)`` for each place and value, one after the other."""
    for k in range(len(index)):
        x[index[k]] = ufunc(x[index[k]], values[k])


def change_each_at(ufunc: Any, x: Any, index: Any) -> None:
    """``x[i] = ufunc(x[i])`` for each place, one after the other."""
    for k in range(len(index)):
        x[index[k]] = ufunc(x[index[k]])
