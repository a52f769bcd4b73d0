"""Sequence comparison and optimisation by tables: plain loops over scalars, the kind NumPy cannot vectorise."""

import numpy as np
from numpy.typing import NDArray


def levenshtein(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> np.int64:
    """The edit distance of two sequences of character codes: insertions, deletions and substitutions cost 1.

    Two rows of the table of Wagner and Fischer (The string-to-string correction problem, JACM 21, 1974) are kept
    and change places after each character of `a`. Shapes: a (n,), b (m,).

    >>> levenshtein(np.frombuffer(b"kitten", np.uint8), np.frombuffer(b"sitting", np.uint8))
    np.int64(3)
    """
    previous = np.arange(b.size + 1)
    current = np.empty_like(previous)
    for i in range(a.size):
        current[0] = i + 1
        for j in range(b.size):
            cost = 0 if a[i] == b[j] else 1
            current[j + 1] = min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost)
        previous, current = current, previous
    return previous[b.size]


def smith_waterman(
    a: NDArray[np.uint8], b: NDArray[np.uint8], match: int, mismatch: int, gap: int
) -> tuple[NDArray[np.int64], int, int, int]:
    """Local alignment of two sequences: the table of scores, the best score and the cell where it ends.

    Smith and Waterman (Identification of common molecular subsequences, J. Mol. Biol. 147, 1981), linear gap
    penalty. Shapes: a (n,), b (m,), table (n + 1, m + 1) int64.

    >>> dna = np.frombuffer(b"GGTTGACTA", np.uint8), np.frombuffer(b"TGTTACGG", np.uint8)
    >>> table, score, i, j = smith_waterman(*dna, 3, -3, 2)
    >>> int(score), i, j
    (13, 7, 6)
    """
    table = np.zeros((a.size + 1, b.size + 1), dtype=np.int64)
    best, best_i, best_j = 0, 0, 0
    for i in range(1, a.size + 1):
        for j in range(1, b.size + 1):
            similarity = match if a[i - 1] == b[j - 1] else mismatch
            score = max(0, table[i - 1, j - 1] + similarity, table[i - 1, j] - gap, table[i, j - 1] - gap)
            table[i, j] = score
            if score > best:
                best, best_i, best_j = score, i, j
    return table, best, best_i, best_j


def viterbi(
    log_start: NDArray[np.float64],
    log_transition: NDArray[np.float64],
    log_emission: NDArray[np.float64],
    observations: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The most probable sequence of hidden states of a Markov model that emitted `observations`.

    Viterbi (Error bounds for convolutional codes, IEEE Trans. Inf. Theory 13, 1967), in logarithms. Shapes:
    log_start (s,), log_transition (s, s) from row to column, log_emission (s, k), observations (t,) in range(k).

    The model of a patient who feels normal, cold or dizzy (0, 1, 2) and is healthy or has a fever (0, 1):

    >>> start, emission = np.log([0.6, 0.4]), np.log([[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]])
    >>> viterbi(start, np.log([[0.7, 0.3], [0.4, 0.6]]), emission, np.array([0, 1, 2]))
    array([0, 0, 1])
    """
    length, states = observations.size, log_start.size
    score = np.empty((length, states))
    origin = np.zeros((length, states), dtype=np.int64)
    for s in range(states):
        score[0, s] = log_start[s] + log_emission[s, observations[0]]
    for t in range(1, length):
        for s in range(states):
            best, best_origin = score[t - 1, 0] + log_transition[0, s], 0
            for r in range(1, states):
                candidate = score[t - 1, r] + log_transition[r, s]
                if candidate > best:
                    best, best_origin = candidate, r
            score[t, s] = best + log_emission[s, observations[t]]
            origin[t, s] = best_origin

    path = np.zeros(length, dtype=np.int64)
    for s in range(1, states):
        if score[length - 1, s] > score[length - 1, path[length - 1]]:
            path[length - 1] = s
    for t in range(length - 2, -1, -1):
        path[t] = origin[t + 1, path[t + 1]]
    return path


def knapsack(values: NDArray[np.int64], weights: NDArray[np.int64], capacity: int) -> np.int64:
    """The greatest total value of a choice of items whose total weight is at most `capacity`.

    Bellman's recurrence for the 0-1 knapsack (Dynamic Programming, 1957) over one row, from the right so that an
    item is taken at most once. Shapes: values (n,), weights (n,), all weights positive.

    >>> knapsack(np.array([60, 100, 120]), np.array([10, 20, 30]), 50)
    np.int64(220)
    """
    best = np.zeros(capacity + 1, dtype=np.int64)
    for i in range(values.size):
        for room in range(capacity, weights[i] - 1, -1):
            candidate = best[room - weights[i]] + values[i]
            if candidate > best[room]:
                best[room] = candidate
    return best[capacity]
