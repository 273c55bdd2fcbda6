"""Arrows point down: a module imports only from lower floors, and rooms on one floor do not import each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import denoise_cli

ROOT = Path(denoise_cli.__file__).parent
FLOORS = (
    ("errors", "fields", "image", "files", "shapes", "seeds", "device"),
    ("noise", "metrics", "losses", "layers", "muon"),
    ("method", "checkpoint", "shelf", "fitting"),
    ("methods",),
    ("data", "inference", "training", "scoring"),
    ("bench", "figures", "api"),
    ("cli", "__main__", "__init__"),
)
ALLOWED = {  # on one floor, or within the ground floor
    ("image", "files"),
    ("image", "errors"),
    ("files", "errors"),
    ("fields", "errors"),
    ("device", "errors"),
    ("losses", "metrics"),
    ("checkpoint", "method"),
    ("fitting", "method"),
    ("training", "data"),
    ("bench", "figures", "api"),
    ("__main__", "cli"),
}
SCREEN_ONLY = {"typer", "rich", "click"}


def floor_of(room: str) -> int:
    return next(index for index, rooms in enumerate(FLOORS) if room in rooms)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the full name of every module that the file imports, wherever in it; names of packages in full."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            module = node.module or ""
            if module == "denoise_cli":
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def broken(path: Path, root: Path = ROOT) -> Iterator[str]:
    parts = path.relative_to(root).with_suffix("").parts
    room = parts[0]
    for line, name in imports(path):
        place = f"{path.relative_to(root.parent)}:{line}"
        if name.partition(".")[0] in SCREEN_ONLY and room != "cli":
            yield f"{place}: only cli draws on the screen, this imports {name}"
        if not name.startswith("denoise_cli."):
            continue
        other = name.split(".")[1]
        if other.startswith("__"):
            continue
        if other == room:
            within = name.split(".")[2:3]
            if room == "methods" and parts[1] != "__init__" and within:
                yield f"{place}: methods do not import each other"
        elif floor_of(other) > floor_of(room):
            yield f"{place}: {room} imports {other}, which is above it"
        elif floor_of(other) == floor_of(room) and (room, other) not in ALLOWED:
            yield f"{place}: {room} imports {other}, which is on its floor"


def test_every_room_is_on_a_floor() -> None:
    rooms = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms <= {room for floor in FLOORS for room in floor}


def test_no_arrow_points_up() -> None:
    wrong = [line for path in sorted(ROOT.rglob("*.py")) for line in broken(path)]
    assert not wrong, "\n".join(wrong)


def test_a_wrong_arrow_is_seen(tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    file = tmp_path / "noise" / "gaussian.py"
    lines = (
        "import rich.text",
        "from denoise_cli import methods",
        "if methods:",
        "    import denoise_cli.losses.pixel",
    )
    file.write_text("\n".join(lines))
    found = [line.partition(": ")[2] for line in broken(file, tmp_path)]
    assert found == [
        "only cli draws on the screen, this imports rich.text",
        "noise imports methods, which is above it",
        "noise imports losses, which is on its floor",
    ]
