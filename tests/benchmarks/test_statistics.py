import numpy as np
import pytest

from benchmarks.statistics import Ratio, interval_rank, paired_ratio


@pytest.mark.parametrize(("count", "rank"), [(6, 1), (9, 2), (15, 4), (20, 6), (25, 8), (50, 18), (100, 40)])
def test_ranks_of_the_binomial_table(count, rank):
    assert interval_rank(count) == rank


def test_too_few_values_have_no_interval():
    with pytest.raises(ValueError, match="5 values are too few"):
        interval_rank(5)


def test_the_interval_covers_the_median_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        ratio = paired_ratio(list(rng.exponential(1.0, 15)), [1.0] * 15)
        covered += ratio.low <= np.log(2) <= ratio.high
    assert 0.95 <= covered / 2000 <= 0.98


def test_ratios_are_taken_within_pairs():
    fast, slow = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0], [2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    assert paired_ratio(fast, slow) == Ratio(0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="argument 2"):
        paired_ratio(fast, slow[1:])


def test_a_limit_holds_when_the_upper_end_is_under_it():
    assert Ratio(0.9, 0.8, 0.99).holds(1.0)
    assert not Ratio(0.9, 0.8, 1.0).holds(1.0)
