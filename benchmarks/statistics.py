"""Ratios of paired samples, with an interval."""

import math
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Ratio:
    """The median of paired ratios and its 95% confidence interval."""

    median: float
    low: float
    high: float

    def holds(self, limit: float) -> bool:
        """Whether the ratio is under the limit with 95% confidence: the upper end of the interval is."""
        return self.high < limit


def interval_rank(count: int, confidence: float = 0.95) -> int:
    """The 1-based rank k for which the k-th smallest and the k-th largest of `count` values enclose their
    distribution's median with at least the given confidence.

    The number of values below the true median follows Binomial(count, 1/2) whatever the distribution is, so the
    interval between order statistics k and count + 1 - k misses it with probability 2 * P(at most k - 1 below). This
    assumes independent pairs and nothing about normality; fewer than 6 values have no such interval.

    >>> interval_rank(15), interval_rank(25)
    (4, 8)
    """
    allowed = (1.0 - confidence) / 2
    rank, below = 0, 0.0
    while True:
        below += math.comb(count, rank) / 2**count
        if below > allowed:
            break
        rank += 1
    if rank == 0:
        raise ValueError(f"{count} values are too few for a {confidence:.0%} interval of the median")
    return rank


def paired_ratio(numerators: list[float], denominators: list[float]) -> Ratio:
    """The median of the ratios of values measured in pairs, with the interval of `interval_rank`.

    >>> paired_ratio([2.0] * 15, [1.0] * 15)
    Ratio(median=2.0, low=2.0, high=2.0)
    """
    ratios = sorted(n / d for n, d in zip(numerators, denominators, strict=True))
    rank = interval_rank(len(ratios))
    return Ratio(median(ratios), ratios[rank - 1], ratios[-rank])
