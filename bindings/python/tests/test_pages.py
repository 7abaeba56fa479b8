"""The programs of README.md and of the guide are run as they stand."""

from __future__ import annotations

import array
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ewebrtc
import pytest

from .pages import ROOT, programs
from .support import recording

PROGRAMS = programs()
HELLO = ROOT / "examples/speech/hello.wav"


def run(program: str, folder: Path) -> str:
    """Runs a program in a folder that has of the clone what programs may use: its examples. What it prints."""
    (folder / "examples/speech").mkdir(parents=True)
    shutil.copy(HELLO, folder / "examples/speech/hello.wav")
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_the_pages(name: str, tmp_path: Path) -> None:
    with ewebrtc.Gateway() as gateway:
        run(PROGRAMS[name].replace("http://127.0.0.1:8080", gateway.url), tmp_path)
    for path in tmp_path.glob("*.wav"):
        pcm, rate = recording(path)
        assert len(pcm) > rate // 4 and max(array.array("h", pcm)) > 1_000, path


@pytest.mark.parametrize("page", ["bindings/python/README.md", "docs/guide-python.md"])
def test_what_looks_like_a_program_is_run(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert set(re.findall(r"^```([^\n]*)\n.*?^```$", text, re.S | re.M)) == {"sh", "python"}
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    assert not re.findall(r"^(?: {4}|\t).*", prose, re.M), "an indented block is not run"


def test_the_readme_has_ten_lines_that_bring_the_speech_back(tmp_path: Path) -> None:
    program = PROGRAMS["readme_1"]
    assert len([line for line in program.splitlines() if line.strip()]) <= 10
    run(program, tmp_path)
    played, played_rate = recording(HELLO)
    (path,) = tmp_path.glob("*.wav")
    came, came_rate = recording(path)
    assert len(came) / came_rate > 0.9 * len(played) / played_rate

    def envelope(pcm: bytes, rate: int) -> list[int]:
        samples = array.array("h", pcm)
        step = rate // 20
        return [sum(map(abs, samples[n : n + step])) // step for n in range(0, len(samples) - step, step)]

    # The same ups and downs, some hundred milliseconds later.
    here, there = envelope(played, played_rate), envelope(came, came_rate)
    best = max(likeness(here, there[shift:]) for shift in range(20))
    print(f"likeness {best:.3f}")
    assert best > 0.8, best


def likeness(one: list[int], other: list[int]) -> float:
    """Correlation, -1 to 1."""
    pairs = list(zip(one, other, strict=False))
    means = [sum(side) / len(pairs) for side in zip(*pairs, strict=True)]
    parts = [(a - means[0], b - means[1]) for a, b in pairs]
    power = (sum(a * a for a, _ in parts) * sum(b * b for _, b in parts)) ** 0.5
    return sum(a * b for a, b in parts) / power if power else 0.0
