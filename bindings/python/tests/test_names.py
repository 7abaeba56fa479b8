"""Every public name says what it is, and its types."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import ewebrtc
import pytest

#: Names that are types of arguments or texts, whose words stand beside them.
PLAIN = {"Samples", "__version__"}


def members() -> Iterator[tuple[str, object]]:
    """What users may call, and the classes it belongs to."""
    for name in ewebrtc.__all__:
        if name in PLAIN:
            continue
        value = getattr(ewebrtc, name)
        yield name, value
        if inspect.isclass(value):
            for member, inner in vars(value).items():
                if not member.startswith("_") and (callable(inner) or isinstance(inner, (property, classmethod))):
                    yield f"{name}.{member}", inner


MEMBERS = dict(members())


@pytest.mark.parametrize("name", MEMBERS)
def test_a_name_says_what_it_is(name: str) -> None:
    value = MEMBERS[name]
    # Its own words: those of a class above it would be about something else.
    assert (getattr(value, "__doc__", None) or "").strip(), f"{name} has no docstring"
    function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    if inspect.isfunction(function):
        hints = inspect.get_annotations(function)
        missing = set(inspect.signature(function).parameters) - hints.keys() - {"self", "cls"}
        assert not missing and "return" in hints, f"{name}: {missing or 'what it gives'} has no type"


def test_the_reference_has_words_for_every_name() -> None:
    """Attributes, too: what the reference shows without words is found nowhere else."""
    doc: Any = pytest.importorskip("pdoc.doc")

    def silent(space: Any) -> Iterator[str]:
        for one in space.members.values():
            # Of exceptions `args` is Python's own.
            if one.name.startswith("_") or one.name in PLAIN or one.taken_from[0] == "builtins":
                continue
            if not one.docstring.strip():
                yield one.fullname
            if one.kind == "class":
                yield from silent(one)

    module = doc.Module(ewebrtc)
    assert len(module.members) >= len(ewebrtc.__all__)
    assert list(silent(module)) == []
