"""What must hold of the wheel: one for every CPython of its platform.

Owns: nothing. `python -m tests.wheel FILE` fails unless the file is such a wheel and this interpreter has it installed, byte for
byte. Must not import: the package.
"""

from __future__ import annotations

import hashlib
import re
import sys
import sysconfig
import zipfile
from importlib.metadata import distribution
from pathlib import Path


def examined(path: Path) -> str:
    """Looks at the wheel and at what is installed. Gives a line for the log."""
    wheel = re.fullmatch(r"ewebrtc-[^-]+-py3-none-((?:many)?linux_\w+)\.whl", path.name)
    assert wheel, f"{path.name} is for some versions of Python only"
    with zipfile.ZipFile(path) as archive:
        (about,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
        tags = re.findall(r"^Tag: (.*)$", archive.read(about).decode(), re.M)
        assert tags == [f"py3-none-{wheel[1]}"], tags
        files = [name for name in archive.namelist() if name.startswith("ewebrtc/")]
        native = [name for name in files if not name.endswith((".py", "py.typed"))]
        assert native == ["ewebrtc/_native/libewebrtc.so"], native
        installed = distribution("ewebrtc")
        for name in files:
            there = Path(str(installed.locate_file(name)))
            assert there.read_bytes() == archive.read(name), f"{there} is not that of the wheel"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{path.name} {digest[:12]} in {sys.version.split()[0]} ({sysconfig.get_platform()})"


if __name__ == "__main__":
    print("python:", examined(Path(sys.argv[1])))
