"""Settings: defaults, the environment, overriding."""

import subprocess
import sys
import threading

import pytest

from tracejit import config
from tracejit.record import fields


def test_defaults_and_the_environment():
    settings = config._read({})
    assert settings == config.Settings() and settings.shapes == "auto" and not settings.disable
    settings = config._read(
        {"TRACEJIT_UNROLL": "3", "TRACEJIT_DISABLE": "1", "TRACEJIT_LOG": "passes, compile", "OTHER": "x"}
    )
    assert settings.unroll == 3 and settings.disable and settings.log == {"passes", "compile"}
    assert (
        config._read({"TRACEJIT_LOG": "all"}).log
        == config._read({"TRACEJIT_LOG": "1"}).log
        == {"compile", "passes", "ir"}
    )


@pytest.mark.parametrize(
    "name, value", [("UNROLL", "0"), ("UNROLL", "x"), ("SHAPES", "some"), ("LOG", "noise"), ("DISABLE", "2")]
)
def test_bad_values_name_the_variable(name, value):
    with pytest.raises(ValueError, match=f"TRACEJIT_{name}='{value}'"):
        config._read({f"TRACEJIT_{name}": value})


def test_override():
    before = config.current()
    with config.override(unroll=5, shapes="static", log="passes", disable=True) as settings:
        assert settings is config.current() and settings.unroll == 5 and settings.disable and settings.log == {"passes"}
        with config.override(unroll=6):
            assert config.current().unroll == 6 and config.current().shapes == "static"
        assert config.current().unroll == 5
        seen = []
        thread = threading.Thread(target=lambda: seen.append(config.current().unroll))
        thread.start()
        thread.join()
        assert seen == [before.unroll]
    assert config.current() == before
    with pytest.raises(TypeError, match="no setting 'speed'"):
        with config.override(speed=1):
            pass
    with pytest.raises(ValueError):
        with config.override(unroll=-1):
            pass


def test_describe_mentions_every_setting():
    text = config.describe()
    for name in fields(config.Settings):
        assert name in text and config.variable(name) in text


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, tracejit\n"
        "heavy = {'llvmlite', 'scipy', 'numba', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "tracejit.jit(lambda x: x)\n"
        "heavy = {'llvmlite', 'scipy', 'numba', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_loads_what_ordinary_functions_need_and_no_more(tmp_path):
    rare = "derivatives mapping transform ops.batching ops.linear codegen.spmd codegen.vector_reduction codegen.vmath"
    rare += " runtime.explain runtime.routines trace.loops trace.comprehensions trace.numpy_api.reductions"
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, numpy as np, tracejit\n"
        f"rare = {{f'tracejit.{{name}}' for name in {rare.split()}}}\n"
        "assert not rare & set(sys.modules), rare & set(sys.modules)\n"
        "before = set(sys.modules)\n"
        "assert tracejit.jit(lambda x: x * 2)(np.ones(3)).tolist() == [2, 2, 2]\n"
        "late = [name for name in set(sys.modules) - before if name.startswith('tracejit')]\n"
        "assert not late, late\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
