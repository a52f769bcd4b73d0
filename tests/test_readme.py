"""The examples of the README run as they stand."""

import importlib.util
import math
import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parent.parent / "README.md"


def test_examples(tmp_path, capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert blocks
    file = tmp_path / "readme_example.py"
    file.write_text("\n".join(blocks))
    spec = importlib.util.spec_from_file_location("readme_example", file)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)

    assert float(capsys.readouterr().out) == pytest.approx(math.sqrt(2.0), rel=1e-12)
    plain = np.zeros((64, 64))
    plain[0] = 1.0
    for _ in range(500):
        around = plain[2:, 1:-1] + plain[:-2, 1:-1] + plain[1:-1, 2:] + plain[1:-1, :-2]
        plain[1:-1, 1:-1] += 0.2 * (around - 4 * plain[1:-1, 1:-1])
    np.testing.assert_array_equal(example.plate, plain)
