"""Pausing the garbage collector leaves it as it was."""

import gc
import weakref

from tracejit.collector import Paused


def test_paused_inside_and_as_before_after() -> None:
    assert gc.isenabled()
    with Paused():
        assert not gc.isenabled()
        with Paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with Paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_enabled_again_after_an_exception() -> None:
    try:
        with Paused():
            raise KeyError
    except KeyError:
        pass
    assert gc.isenabled()


def test_objects_that_the_program_froze_stay_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with Paused():
            pass
        assert gc.get_freeze_count() >= frozen > 0
    finally:
        gc.unfreeze()


def test_garbage_made_inside_is_found() -> None:
    class Node:
        pass

    alive = []
    with Paused():
        node = Node()
        node.itself = node  # type: ignore[attr-defined]
        alive.append(weakref.ref(node))
        del node
    gc.collect()
    assert alive[0]() is None
