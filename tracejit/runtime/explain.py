"""Why versions were compiled, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracejit.ir.interface import ArrayInput, Program, describe
from tracejit.runtime.signature import Signature
from tracejit.runtime.sources import evaluate, misfit
from tracejit.runtime.versions import Version

Texts = Mapping[str, str]


def reason(signature: Signature, family: Sequence[Version], versions: Sequence[Version], values: Sequence[Any]) -> str:
    """Why a call needs a new version, by comparison with the version that is nearest to it."""
    if family:
        last = family[-1]
        changed = differences(last.texts, signature.texts)
        if changed:
            return "; ".join(changed)
        return captured_change(last.program, values)
    ordinary = [v for v in versions if v.overlap is None] or versions
    nearest = min(reversed(ordinary), key=lambda v: len(differences(v.texts, signature.texts)))
    changed = differences(nearest.texts, signature.texts)
    return "; ".join(changed) if changed else captured_change(nearest.program, values)


def differences(old: Texts, new: Texts) -> list[str]:
    """What differs between two calls, leaf by leaf: ``x: float64[3] -> float64[4]``."""
    found = []
    for place, text in new.items():
        if place not in old:
            found.append(f"{place}: new, {text}")
        elif old[place] != text:
            found.append(f"{place}: {old[place]} -> {text}")
    found += [f"{place}: gone, was {text}" for place, text in old.items() if place not in new]
    return found


def captured_change(program: Program, values: Sequence[Any]) -> str:
    """What captured state a program no longer fits."""
    broken = misfit(program, values)
    if broken is None or broken.startswith("the memory of "):
        return "arguments share memory in another way"
    for guard in program.guards:
        now = evaluate(guard.source, values)
        place = describe(guard.source)
        if guard.condition == "equal" and broken.startswith(place + " == "):
            return f"{place}: {guard.value!r} -> {now!r}"
    for i in program.inputs:
        if isinstance(i, ArrayInput) and broken.startswith(describe(i.source) + " "):
            now = evaluate(i.source, values)
            return f"{describe(i.source)}: no longer {_input_text(i)}, now {_value_text(now)}"
    return f"no longer so: {broken}"


def _input_text(i: ArrayInput) -> str:
    return f"{i.dtype}[{', '.join(map(str, i.shape))}]"


def _value_text(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype}[{', '.join(map(str, value.shape))}]"
    return repr(value)


def summary(name: str, version: Version) -> str:
    """One line about a version."""
    t = version.times
    parts = f"trace {1e3 * t.trace:.1f}, lower {1e3 * t.lower:.1f}, code {1e3 * t.compile:.1f}"
    return f"{name}: version {version.number} in {1e3 * t.total:.1f} ms ({parts}); {version.reason}"


def report(name: str, versions: Sequence[Version]) -> str:
    """Everything about the versions of a function: why each was compiled, and for what."""
    if not versions:
        return f"{name}: not compiled yet"
    lines = [f"{name}: {len(versions)} version{'s' if len(versions) > 1 else ''}"]
    for version in versions:
        t = version.times
        lines.append(f"{version.number}. {version.reason}  ({1e3 * t.total:.1f} ms)")
        general = {describe(i.source): _input_text(i) for i in version.program.inputs if isinstance(i, ArrayInput)}
        for place, text in version.texts.items():
            shown = general.get(place, text)
            lines.append(f"   {place}: {shown}")
        for i in version.captured:
            place = describe(i.source)
            lines.append(f"   {place}: {general.get(place, i.dtype.name)}, captured")
        for guard in version.program.guards[version.argument_guards :]:
            if guard.condition == "equal":
                lines.append(f"   {describe(guard.source)} == {guard.value!r}, captured")
        lines += [f"   {note}" for note in (*version.program.notes, *version.native.notes)]
    return "\n".join(lines)
