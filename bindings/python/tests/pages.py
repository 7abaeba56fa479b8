"""The Python programs of the project's pages.

Owns: how they are found. `python -m tests.pages FOLDER` writes them there, for type checkers. Must not import: the
package.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: The project.
ROOT = Path(__file__).resolve().parents[3]

#: Pages with programs.
PAGES = ("README.md", "bindings/python/README.md", "docs/guide-python.md")


def programs() -> dict[str, str]:
    """Every program by a name for it."""
    found = {}
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for number, program in enumerate(re.findall(r"^```python\n(.*?)^```$", text, re.S | re.M), 1):
            stem = re.sub(r"\W+", "_", page.removesuffix(".md")).lower()
            found[f"{stem}_{number}"] = program
    return found


if __name__ == "__main__":
    for name, program in programs().items():
        (Path(sys.argv[1]) / f"{name}.py").write_text(program, encoding="utf-8")
