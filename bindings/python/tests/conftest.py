"""Fixtures: one gateway for a test."""

from __future__ import annotations

from collections.abc import Iterator

import ewebrtc
import pytest


@pytest.fixture
def gateway() -> Iterator[ewebrtc.Gateway]:
    with ewebrtc.Gateway() as running:
        yield running
