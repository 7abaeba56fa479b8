#!/usr/bin/env python3
"""Makes the package of the programs that use the Swift package from the outside: those of the guide, as printed, those of
`Programs/`, and the parity runner.

    programs.py FOLDER      writes FOLDER/Package.swift and FOLDER/Sources; the package itself is FOLDER/../package
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Pages with programs.
PAGES = ("README.md", "docs/guide-swift.md", "bindings/swift/README.md")

MANIFEST = """// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "Programs",
    platforms: [.macOS(.v15)],
    dependencies: [.package(path: "../package")],
    targets: [
%s    ]
)
"""

TARGET = '        .executableTarget(name: "%s", dependencies: [.product(name: "Ewebrtc", package: "package")]),\n'


def programs() -> dict[str, str]:
    """The text of every program, by the name of its target."""
    found = {"parity": (ROOT / "ffi-tests/parity/swift/main.swift").read_text(encoding="utf-8")}
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for number, program in enumerate(re.findall(r"^```swift\n(.*?)^```$", text, re.S | re.M), 1):
            stem = re.sub(r"\W+", "_", page.removesuffix(".md")).lower()
            found[f"{stem}_{number:02}"] = program
    for path in sorted((ROOT / "bindings/swift/Programs").glob("*.swift")):
        found[path.stem] = path.read_text(encoding="utf-8")
    return found


def put(path: Path, text: str) -> None:
    """Writes only what differs, so that nothing is compiled for no reason."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> None:
    """Writes the package."""
    folder, found = Path(sys.argv[1]), programs()
    for name, text in found.items():
        put(folder / "Sources" / name / "main.swift", text)
    for old in (folder / "Sources").iterdir():
        if old.name not in found:
            (old / "main.swift").unlink(missing_ok=True)
            old.rmdir()
    put(folder / "Package.swift", MANIFEST % "".join(TARGET % name for name in found))


main()
