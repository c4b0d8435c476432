from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.tagger import Tagger
from models.tags import Tags
from tests.conftest import ROOT
from tools import docs, rates
from tools.cli import app
from tools.rates import Rate, measure, read_rates, write_rates
from tools.where import parse


def options() -> dict[str, set[str]]:
    """Verb to the options it takes, as the command itself knows them."""
    from typer.main import get_command

    found: dict[str, set[str]] = {}

    def walk(command: Any, name: str) -> None:
        found[name] = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        for child, sub in getattr(command, "commands", {}).items():
            walk(sub, f"{name} {child}")

    walk(get_command(app), "qawl")
    return found


def recipes() -> list[str]:
    """The command lines of the recipes, without their comments."""
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]
    return [part.strip() for line in lines for part in re.split(r"[;|]", line) if part.strip().startswith("qawl ")]


def test_help_of_every_verb_is_in_the_docs() -> None:
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == docs.cli_page(), "run: python -m tools.docs"


def test_bulk_page_is_made_of_the_measured_rates() -> None:
    assert (ROOT / "docs" / "bulk.md").read_text(encoding="utf-8") == docs.bulk_page(read_rates())


def test_recipes_use_options_that_exist() -> None:
    known = options()
    assert len(recipes()) > 15
    for line in recipes():
        words = re.sub(r"'[^']*'", "''", line).split()
        verb = " ".join(words[:3]) if words[1] == "annotate" else " ".join(words[:2])
        assert verb in known, line
        used = {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)}
        assert used <= known[verb], line


def test_recipes_where_expressions_parse() -> None:
    found = [match for line in recipes() for match in re.findall(r"-w ('[^']*'|\S+)", line)]
    assert len(found) >= 4
    for expression in found:
        parse(expression.strip("'"))


def rate(kind: str = "core", per_second: float = 250.0, targets: int = 1) -> Rate:
    return Rate(
        device="Machine", kind=kind, bundle="b", version="1", engine="onnx", precision="fp32", targets=targets,
        per_second=per_second, sentences=10, tokens_a_sentence=40.0, peak_mib=100,
    )  # fmt: skip


def test_arithmetic() -> None:
    page = docs.bulk_page([rate(), rate("gpu", 10_000, 0)])
    # 1e8 sentences / 250 a second = 4e5 core seconds: 2,500 s on 160 cores, 111.1 core hours at 0.04.
    assert "| b, onnx fp32, 1 | 25 seconds, 0.04 USD | 41.7 minutes, 4.44 USD | 2.9 days, 444.44 USD |" in page
    assert "| b, onnx fp32, 0 | 12 seconds, 0.11 USD | 20.8 minutes, 11.11 USD | 34.7 hours, 1,111.11 USD |" in page
    assert "GPU" not in docs.bulk_page([rate()]).split("## Measured")[1]


def test_newer_measurement_replaces_the_older(tmp_path: Path) -> None:
    write_rates([rate(), rate(targets=3)], tmp_path / "rates.json")
    write_rates([rate(per_second=300.0)], tmp_path / "rates.json")
    assert [(r.targets, r.per_second) for r in read_rates(tmp_path / "rates.json")] == [(1, 300.0), (3, 250.0)]


def test_measure_counts_what_was_tagged(tiny_tagger: Tagger) -> None:
    found = measure(tiny_tagger, 1, 0.0, gpu=False, batch=2)
    assert found.sentences == sum(
        len(tags.sentences) for tags in tiny_tagger.tag(rates.documents(1)[:2]) if isinstance(tags, Tags)
    )
    assert found.per_second > 0
    assert found.kind == "core"


def test_help_loads_nothing_heavy() -> None:
    heavy = ("numpy", "onnxruntime", "bentoml", "torch", "pyarrow", "jinja2")
    code = (
        "import sys\nfrom qawl import main\nsys.argv = ['qawl', 'tag', '--help']\n"
        f"try:\n    main()\nfinally:\n    print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "--where" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell: str) -> None:
    code = "from qawl import main; main()"
    env = {"_QAWL_COMPLETE": f"source_{shell}", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", f"import sys; sys.argv = ['qawl']; {code}"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert "_QAWL_COMPLETE" in done.stdout
