"""The shape of the code: who may import whom, and that a label is spelled in one place."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from models.labels import NONE, SCHEME, ClaimType, Stance, Voice
from models.mappings import MAPPINGS
from tests.conftest import ROOT

FORBIDDEN = {
    "models": {"training", "service", "tools", "qawl"},
    "service": {"training", "tools", "torch", "transformers"},
}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_go_one_way(folder):
    for path in sources(folder):
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & FORBIDDEN[folder], path


def test_only_the_torch_side_imports_torch():
    allowed = {
        ROOT / "models" / name for name in ("network.py", "apart.py", "alignment.py", "bert.py", "engines/torch.py")
    }
    for path in sources("models"):
        if path not in allowed:
            assert not {"torch", "transformers"} & {name.split(".")[0] for name in imported(path)}, path


def test_labels_are_spelled_once():
    labels = {str(label) for enum in (ClaimType, Voice, Stance) for label in enum} | {NONE}
    # "none", "event" and their like are English words too: what counts is a whole string constant.
    for folder in ("models", "training", "service", "tools"):
        for path in sources(folder):
            # Other schemes' names for our labels are their words, though some are spelled alike.
            if path in (ROOT / "models" / "labels.py", ROOT / "models" / "mappings.py"):
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            # torch spells an unreduced loss like the label.
            torch_words = {id(k.value) for k in ast.walk(tree) if isinstance(k, ast.keyword) and k.arg == "reduction"}
            # And the REST contract has fields named like two of the labels.
            fields = {
                id(key)
                for d in ast.walk(tree)
                if isinstance(d, ast.Dict)
                for key in d.keys
                if _is(key, "mixed", "none")
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and node.value in labels and id(node) not in torch_words | fields:
                    pytest.fail(f"{path}:{node.lineno}: {node.value!r}: use models.labels")


def _is(node: ast.expr | None, *words: str) -> bool:
    return isinstance(node, ast.Constant) and node.value in words


def test_files_stay_short():
    for folder in ("models", "training", "service", "tools"):
        for path in sources(folder):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_every_mapping_speaks_of_known_labels():
    known = {*SCHEME.type_ids, NONE, *Voice, *Stance}
    for name, mapping in MAPPINGS.items():
        assert set(mapping) <= known, name


def test_every_row_of_the_fault_matrix_has_its_test_and_its_promise():
    """The 21 rows are the specification of what the service does when something is wrong."""
    tests = "".join(path.read_text(encoding="utf-8") for path in sources("tests"))
    promises = (ROOT / "service" / "README.md").read_text(encoding="utf-8")
    for row in range(1, 22):
        assert f"def test_row_{row}_" in tests, row
        assert f"\n| {row} " in promises, row


def test_no_path_of_this_machine_is_tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    mark = "/" + "work/"
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and path.suffix not in (".onnx", ".safetensors", ".png", ".gz"):
            assert mark not in path.read_text(encoding="utf-8", errors="ignore"), name
