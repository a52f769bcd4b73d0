"""The type of compiled callables behaves like a class of Python's, and like a function where it matters."""

import gc
import sys
import types
import weakref

import pytest

from tracejit.runtime.native_type import native_subtype


class Base:
    """Its documentation."""

    __slots__ = ("value",)

    def __call__(self, *args, **kwargs):
        return "python", args, kwargs

    def other(self):
        return "method"


NATIVE = native_subtype(Base)


def make():
    return NATIVE.type()


def test_calls_go_to_python_until_there_is_native_code():
    f = make()
    assert f(1, k=2) == ("python", (1,), {"k": 2}) and f(*[1], **{"k": 2}) == ("python", (1,), {"k": 2})
    assert list(map(f, [1, 2])) == [("python", (1,), {}), ("python", (2,), {})]


def test_attributes():
    f = make()
    f.value, f.anything = 1, 2
    assert (f.value, f.anything, f.__dict__, f.other()) == (1, 2, {"anything": 2}, "method")
    with pytest.raises(AttributeError):
        f.nothing  # noqa: B018
    del f.anything
    assert not hasattr(f, "anything")
    f.__dict__ = {"x": 1}
    assert f.x == 1
    assert NATIVE.type.__doc__ == "Its documentation." and NATIVE.type.__name__ == "Base"


def test_binds_like_a_function():
    f = make()

    class Owner:
        method = f

    owner = Owner()
    assert owner.method(1) == ("python", (owner, 1), {})
    assert isinstance(owner.method, types.MethodType) and owner.method.__func__ is f and Owner.method is f
    assert classmethod(f).__get__(owner)(1) == ("python", (Owner, 1), {})


def test_life_and_death():
    f = make()
    f.slow = f.other
    alive = weakref.ref(f)
    f.cycle = [f]
    del f
    gc.collect()
    assert alive() is None
    references = sys.getrefcount(NATIVE.type)
    for _ in range(1000):
        g = make()
        g.value, g.attribute, g.slow = object(), object(), g
    del g
    gc.collect()
    count = len(gc.get_objects())
    for _ in range(1000):
        g = make()
        g.value, g.attribute, g.slow = object(), object(), g
    del g
    gc.collect()
    assert abs(len(gc.get_objects()) - count) < 50 and abs(sys.getrefcount(NATIVE.type) - references) < 50


def test_unfit_classes_are_refused():
    class Plain:
        pass

    class Empty:
        __slots__ = ()

    for cls in (Plain, Empty):
        with pytest.raises(TypeError, match="__slots__"):
            native_subtype(cls)
