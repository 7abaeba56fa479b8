"""`python -m ewebrtc`, as a user at a terminal has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import ewebrtc

from .support import clearest, recording


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "ewebrtc", *arguments], capture_output=True, text=True, timeout=120
    )


def test_the_demonstration_hears_its_melody(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    ended = program("demo", "--record", str(path))
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("demo: connected in ") and "3 of 3 notes heard" in last, ended.stdout
    assert "bob    call:incoming" in ended.stdout and "alice  call:disconnected" in ended.stdout
    pcm, rate = recording(path)
    assert all(clearest(pcm, hertz, rate) > 0.8 for hertz in (440, 554, 659))


def test_the_demonstration_at_another_gateway() -> None:
    with ewebrtc.Gateway() as gateway:
        ended = program("demo", "--gateway", gateway.url)
        assert (ended.returncode, ended.stderr) == (0, ""), ended


def test_what_goes_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    ended = program("demo", "--gateway", "http://127.0.0.1:1")
    assert ended.returncode == 1 and ended.stderr.startswith("python -m ewebrtc: 0002"), ended
    ended = program("demo", "--gateway", "nowhere")
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1, ended
    ended = program("demo", "--record", str(tmp_path / "no/such/folder.wav"))
    assert (ended.returncode, ended.stdout) == (1, ""), ended
    assert "folder.wav" in ended.stderr and len(ended.stderr.splitlines()) == 1, ended
    ended = program("gateway", "--listen", "nowhere")
    assert ended.returncode == 1 and "listen" in ended.stderr, ended
    for wrong in ((), ("dance",), ("demo", "--loud")):
        ended = program(*wrong)
        assert ended.returncode == 2 and "usage:" in ended.stderr, ended


def test_the_demonstration_goes_on_when_nobody_reads() -> None:
    command = [sys.executable, "-W", "error", "-m", "ewebrtc", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        # As `| head -1` does.
        assert "session:ready" in running.stdout.readline()
        running.stdout.close()
        assert (running.wait(60), running.stderr.read()) == (0, "")


def test_version_and_help() -> None:
    assert program("--version").stdout == f"ewebrtc {ewebrtc.__version__}\n"
    ended = program("--help")
    assert ended.returncode == 0 and "demo" in ended.stdout and "gateway" in ended.stdout


def test_the_gateway_runs_until_it_is_told_to_end() -> None:
    for sign in (signal.SIGINT, signal.SIGTERM):
        command = [sys.executable, "-m", "ewebrtc", "gateway", "--listen", "127.0.0.1:0", "--domain", "example.org"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None and running.stderr is not None
            url = running.stdout.readline().rpartition(" ")[2].strip()
            ended = program("demo", "--gateway", url)
            os.kill(running.pid, sign)
            assert running.wait(30) == 0 and running.stderr.read() == ""
            assert ended.returncode == 0, ended


def test_an_interrupt_ends_the_demonstration_without_a_traceback() -> None:
    # After so many lines: while logging in, setting up the call, talking.
    for lines in (1, 3, 5, 8, 12):
        command = [sys.executable, "-m", "ewebrtc", "demo"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None and running.stderr is not None
            for _ in range(lines):
                assert running.stdout.readline()
            os.kill(running.pid, signal.SIGINT)
            running.stdout.read()
            assert (running.wait(30), running.stderr.read()) == (130, ""), lines
