"""A file looks only at the doors its room may look at, and what must load without torch does."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "konvolut"
EVERYONE = ("errors", "types", "language")
FIGURES = ("figures", "page")
LOOKS_AT: dict[str, tuple[str, ...]] = {
    "errors": (),
    "types": (),
    "language": (),
    "page": (),
    "verdicts": (),
    "fetch": (),
    "figures": FIGURES,
    "images": ("fetch", *FIGURES),
    "blocks": (),
    "nets": ("blocks", "fetch"),
    "training": ("images", "nets", "verdicts"),
    "classic": ("images", "training.run", "training.metrics", "training.evaluate"),
    "lens": ("images", "blocks", "nets", "training.run", "training.metrics", "training.evaluate", *FIGURES),
    "lab": ("images", "blocks", "nets", "training", "classic", "lens", "verdicts", *FIGURES),
    "cli": ("images", "blocks", "nets", "training", "classic", "lens", "lab", *FIGURES),
    "__main__": ("cli",),
    "__init__": ("images", "blocks", "nets", "training", "lens", "lab"),
}
TORCH_FREE = (
    "konvolut", "konvolut.errors", "konvolut.types", "konvolut.language", "konvolut.figures", "konvolut.fetch",
    "konvolut.images.check", "konvolut.images.decode", "konvolut.images.preprocess", "konvolut.images.sources",
    "konvolut.images.worker", "konvolut.images.shards", "konvolut.images.packing", "konvolut.nets.listing", "konvolut.cli.main",
)  # fmt: skip
FILES = sorted(HOUSE.rglob("*.py"))


def seen(source: str, package: str) -> Iterator[str]:
    """Every module of the house that `source`, a file of `package`, imports, less the leading `konvolut.`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            names = [f"{origin}.{alias.name}" for alias in node.names] if origin == "konvolut" else [origin]
        else:
            continue
        yield from (name.removeprefix("konvolut.") for name in names if name.startswith("konvolut."))


def strangers(room: str, source: str, package: str) -> list[str]:
    allowed = (room, *EVERYONE, *LOOKS_AT[room])
    return [name for name in seen(source, package) if not any(name == a or name.startswith(a + ".") for a in allowed)]


def test_there_is_a_house():
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_a_file_looks_only_upstream(path: Path):
    inside = path.relative_to(HOUSE).with_suffix("").parts
    package = ".".join(("konvolut", *inside[:-1]))
    assert not strangers(inside[0], path.read_text(encoding="utf-8"), package)


@pytest.mark.parametrize(
    "line",
    [
        "import konvolut.training.loop",
        "from konvolut.training import loop",
        "from konvolut import training",
        "from ..training import loop",
        "from ..training.loop import Training",
        "def late():\n    from konvolut.training.loop import Training",
    ],
)
def test_a_bad_import_is_caught(line: str):
    assert strangers("nets", line, "konvolut.nets")


@pytest.mark.parametrize("path", sorted(HOUSE.rglob("__init__.py")), ids=lambda p: p.parent.name)
def test_a_room_opens_with_its_three_sentences_and_nothing_else(path: Path):
    if path.parent == HOUSE:
        return  # the house's own door resolves names lazily; test_public holds it
    (only,) = ast.parse(path.read_text(encoding="utf-8")).body
    assert isinstance(only, ast.Expr)
    if path.parent.parent == HOUSE:
        assert all(word in ast.unparse(only) for word in ("Comes in:", "Goes out:", "Promises:"))


@pytest.mark.parametrize("module", TORCH_FREE)
def test_it_loads_without_torch(module: str):
    loaded = f"import {module}, sys; print([m for m in ('torch', 'altair') if m in sys.modules])"
    assert fresh(loaded) == "[]"


@pytest.mark.parametrize("words", [["--help"], ["nets", "resnet*"]])
def test_help_and_nets_load_neither_torch_nor_numpy_nor_jaxtyping(words: list[str]):
    code = (
        "import sys, contextlib, io\nfrom konvolut.cli.main import konvolut\n"
        f"with contextlib.redirect_stdout(io.StringIO()):\n    konvolut.main({words!r}, standalone_mode=False)\n"
        "print([m for m in ('torch', 'numpy', 'jaxtyping') if m in sys.modules])"
    )
    assert fresh(code) == "[]"


def test_the_look_for_torch_would_find_it():
    assert fresh("import konvolut.training.loop, sys; print('torch' in sys.modules)") == "True"


def fresh(code: str) -> str:
    """What `code` prints in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
