"""Every public name says what it is, and its types."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

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
                if not member.startswith("_") and (callable(inner) or isinstance(inner, property)):
                    yield f"{name}.{member}", inner


MEMBERS = dict(members())


@pytest.mark.parametrize("name", MEMBERS)
def test_a_name_says_what_it_is(name: str) -> None:
    value = MEMBERS[name]
    assert (inspect.getdoc(value) or "").strip(), f"{name} has no docstring"
    function = value.fget if isinstance(value, property) else value
    if inspect.isfunction(function):
        hints = inspect.get_annotations(function)
        missing = set(inspect.signature(function).parameters) - hints.keys() - {"self", "cls"}
        assert not missing and "return" in hints, f"{name}: {missing or 'what it gives'} has no type"
