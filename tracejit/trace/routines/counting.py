"""Counting and searching: histograms, occurrences, places in sorted arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def uniform_bins(a: Any, counts: Any, weights: Any, edges: Any, first: Any, last: Any, width: Any) -> None:
    """Add up the weights (ones for None) of the elements of the vector ``a`` by bins of one width.

    The rounding of the bin's number is corrected by the edges, as NumPy does.
    """
    n = len(counts)
    for k in range(len(a)):
        x = a[k]
        if (x >= first) & (x <= last):
            x = edges.dtype.type(x)
            i = np.int64(((x - edges.dtype.type(first)) / width) * n)
            i = np.minimum(i, n - 1)
            i = i - (x < edges[i])
            i = i + ((x >= edges[i + 1]) & (i != n - 1))
            if weights is None:
                counts[i] += 1
            else:
                counts[i] += weights[k]


def edged_bins(a: Any, counts: Any, weights: Any, edges: Any) -> None:
    """Add up the weights of the elements of ``a`` between neighbours among the sorted ``edges``."""
    n = len(counts)
    for k in range(len(a)):
        x = a[k]
        if (x >= edges[0]) & (x <= edges[n]):
            low, high = np.int64(0), np.int64(n)
            while low < high:  # how many edges after the first are not above x
                middle = (low + high) >> 1
                if edges[middle + 1] <= x:
                    low = middle + 1
                else:
                    high = middle
            i = np.minimum(low, n - 1)
            if weights is None:
                counts[i] += 1
            else:
                counts[i] += weights[k]


def occurrences(x: Any, counts: Any, weights: Any) -> None:
    """Add up the weights (ones for None) by the numbers in ``x``."""
    for k in range(len(x)):
        if weights is None:
            counts[x[k]] += 1
        else:
            counts[x[k]] += weights[k]


def places_left(a: Any, v: Any, out: Any) -> None:
    """For each element of ``v``, how many of the sorted ``a`` are before it (NaN comes last)."""
    for k in range(len(v)):
        x = v[k]
        low, high = np.int64(0), np.int64(len(a))
        while low < high:
            middle = (low + high) >> 1
            if (a[middle] < x) | ((x != x) & (a[middle] == a[middle])):
                low = middle + 1
            else:
                high = middle
        out[k] = low


def places_right(a: Any, v: Any, out: Any) -> None:
    """For each element of ``v``, how many of the sorted ``a`` are not after it (NaN comes last)."""
    for k in range(len(v)):
        x = v[k]
        low, high = np.int64(0), np.int64(len(a))
        while low < high:
            middle = (low + high) >> 1
            if (x < a[middle]) | ((a[middle] != a[middle]) & (x == x)):
                high = middle
            else:
                low = middle + 1
        out[k] = low
