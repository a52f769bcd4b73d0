"""Which shapes are compiled for, after those that were seen."""

from tracejit.runtime.history import generalize


def test_the_first_call_is_compiled_as_it_is():
    assert generalize([{"x": (3, 4)}], "auto") == {"x": (3, 4)}


def test_dimensions_that_changed_become_symbols():
    assert generalize([{"x": (3, 4)}, {"x": (5, 4)}], "auto") == {"x": ("n0", 4)}
    seen = [{"x": (3, 4), "y": (3,), "z": (7,)}, {"x": (5, 4), "y": (5,), "z": (7,)}]
    assert generalize(seen, "auto") == {"x": ("n0", 4), "y": ("n0",), "z": (7,)}
    assert generalize([*seen, {"x": (5, 4), "y": (6,), "z": (7,)}], "auto") == {"x": ("n0", 4), "y": ("n1",), "z": (7,)}


def test_a_dimension_that_came_back_stays_a_symbol():
    assert generalize([{"x": (3,)}, {"x": (5,)}, {"x": (3,)}], "auto") == {"x": ("n0",)}


def test_arrays_that_were_not_always_there():
    assert generalize([{"x": (3,)}, {"x": (4,), "w": (4,)}], "auto") == {"x": ("n0",), "w": (4,)}


def test_policies():
    seen = [{"x": (3,)}, {"x": (5,)}]
    assert generalize(seen, "static") == {"x": (5,)}
    assert generalize([{"x": (3, 3, 4)}], "dynamic") == {"x": ("n0", "n0", "n1")}
    assert generalize([{"x": (3, 3)}, {"x": (3, 4)}], "dynamic") == {"x": ("n0", "n1")}
