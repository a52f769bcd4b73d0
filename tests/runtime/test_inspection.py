"""What people can look at: programs and code at every stage, why versions were compiled, figures, the log."""

import numpy as np
import pytest

import tracejit as tj
from tracejit import config


def double(x):
    return x * 2


def test_programs_and_code():
    f = tj.jit(lambda x, y: (x * y).sum())
    x = np.ones(4)
    texts = {stage: f.ir(x, x, stage=stage) for stage in ("traced", "optimized", "fused", "loops")}
    assert "reduce_sum" in texts["traced"] and "for" in texts["loops"] and len(set(texts.values())) >= 3
    assert "define ptr @entry" in f.llvm(x, x) and "entry:" in f.asm(x, x)
    assert f.stats().versions == 1 and f(x, x) == 4.0 and f.stats().versions == 1
    f(np.ones(7), np.ones(7))
    assert f.stats().versions == 2 and "n0" in f.ir(np.ones(9), np.ones(9), stage="traced")
    assert f.stats().versions == 2
    with pytest.raises(ValueError, match="stage 'last' is none of traced"):
        f.ir(x, x, stage="last")


def test_looking_runs_nothing():
    @tj.jit
    def f(x):
        x[0] = 9.0
        return x

    x = np.zeros(2)
    f.ir(x), f.llvm(x), f.asm(x)
    assert x.tolist() == [0, 0]


def test_programs_need_no_version():
    f = tj.jit(lambda x: x * SCALE)
    assert "n0" not in f.ir(np.ones(3)) and "n0" not in f.ir(np.ones(4)) and f.stats().versions == 0
    # what tracing finds out is known afterwards: how a call is compiled does not depend on who has looked
    g = tj.jit(lambda x, n: x.sum(axis=n))
    assert "reduce_sum" in g.ir(np.ones((2, 3)), 1) and g.stats().versions == 0
    assert g(np.ones((2, 3)), 1).tolist() == [3, 3] and g.stats().versions == 1
    x = np.ones(4)
    overlapping = tj.jit(lambda a, b: a.__setitem__(slice(1, None), b[:-1]))
    assert overlapping.ir(x[1:], x[:-1]) and overlapping.stats().versions == 0


SCALE = 2.0


def test_explain(monkeypatch):
    @tj.jit
    def f(x, n=1):
        return x * SCALE + n

    assert f.explain().endswith("f: not compiled yet")
    f(np.ones((3, 4)))
    f(np.ones((5, 4)))
    f(np.ones(5, "f4"), 2.0)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    f(np.ones(5, "f4"), 2.0)
    text = f.explain()
    assert "4 versions" in text and "1. first call" in text
    assert "2. x: float64[3, 4] -> float64[5, 4]" in text and "x: float64[n0, 4]" in text
    assert "x: float64[5, 4] -> float32[5]" in text and "n: int -> float" in text
    assert "SCALE: 2.0 -> 3.0" in text and "SCALE == 2.0, captured" in text and "SCALE: float64, captured" in text


def test_stats():
    f = tj.jit(lambda x: x + 1)
    assert f.stats() == (0, 0, 0.0, 0.0, 0.0)
    f(1)
    stats = f.stats()
    assert stats.versions == stats.compilations == 1 and stats.trace_seconds > 0 and stats.compile_seconds > 0


def test_log(capsys):
    with config.override(log="all"):
        tj.jit(double)(1.5)
    text = capsys.readouterr().err
    assert (
        "tracejit: double: version 1 in" in text
        and "first call" in text
        and "double: fuse" in text
        and "return" in text
    )
