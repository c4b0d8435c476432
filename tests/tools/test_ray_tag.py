from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import ConfigError
from tests.conftest import ROOT
from tests.tools.fakes import local
from tools import ray_tag
from tools.ray_tag import run_on_ray, tag_unit
from tools.run import Job
from tools.tag import Format


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for f in range(8):
        rows = [{"id": f"{f}-{i}", "text": f"خبر رقم {i}. ثم خبر آخر {f}."} for i in range(40)]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"f{f}.jsonl").write_text(text, encoding="utf-8")
    return folder


def ids(out: Path) -> list[str]:
    lines = [
        line for part in sorted(out.glob("part-*.jsonl")) for line in part.read_text(encoding="utf-8").splitlines()
    ]
    return [json.loads(line)["id"] for line in lines]


@pytest.fixture
def spread(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Does the cluster's work in this process; numbers of the units that were done."""
    done: list[int] = []

    def sequential(job: Job, units: list[ray_tag.Unit], address: str, make_worker: object) -> None:
        for unit in units:
            tag_unit(job, unit, local(job, unit.files))
            done.append(unit.number)

    monkeypatch.setattr(ray_tag, "_spread", sequential)
    return done


EVERY = [f"{f}-{i}" for f in range(8) for i in range(40)]


@pytest.mark.ray
def test_node_that_dies_loses_nothing_and_repeats_nothing(inputs: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "tests.tools.ray_cluster", str(inputs), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["codes"], told["nodes"]) == ([0], 2)
    assert 0 < told["done_at_kill"] < 8
    assert ids(tmp_path / "out") == EVERY


def test_units_that_are_done_are_not_done_again(
    inputs: Path, tmp_path: Path, spread: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    job = Job(inputs=(str(inputs),), output=out)
    assert run_on_ray(job, "local") == 0
    assert capsys.readouterr().err == "320 articles, 640 sentences in 8 parts\n"
    assert ids(out) == EVERY
    # A part without its note is one that was under way when the run was killed.
    (out / "_done" / "00003.json").unlink()
    (out / "_done" / "00005.json").unlink()
    (out / "part-00005.jsonl").unlink()
    assert run_on_ray(job, "local") == 0
    assert spread == [*range(8), 3, 5]
    assert ids(out) == EVERY
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith("part-")) == ["_done", "_job.json"]


def test_bad_rows_of_earlier_runs_are_not_forgotten(
    inputs: Path, tmp_path: Path, spread: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    with (inputs / "f2.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"text": "سيئ"}\n')
    for _ in range(2):
        assert run_on_ray(Job(inputs=(str(inputs),), output=tmp_path / "out"), "local") == 1
        err = capsys.readouterr().err
        assert f"{inputs / 'f2.jsonl'}:41: text: must not be bad\n" in err
        assert err.endswith("320 articles, 640 sentences, 1 skipped in 8 parts\n")
    assert spread == list(range(8))


def test_txt_files_share_parts(tmp_path: Path, spread: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_tag, "_TEXTS", 3)
    for i in range(7):
        (tmp_path / f"{i}.txt").write_text(f"خبر {i}.", encoding="utf-8")
    run_on_ray(Job(inputs=(str(tmp_path),), output=tmp_path / "out"), "local")
    assert spread == [0, 1, 2]
    assert ids(tmp_path / "out") == [str(tmp_path / f"{i}.txt") for i in range(7)]


def test_another_job_is_not_mixed_in(inputs: Path, tmp_path: Path, spread: list[int]) -> None:
    out = tmp_path / "out"
    run_on_ray(Job(inputs=(str(inputs),), output=out, quiet=True), "local")
    with pytest.raises(ConfigError, match="belongs to a run with other --target; --overwrite starts afresh"):
        run_on_ray(Job(inputs=(str(inputs),), output=out, targets=("ت",)), "local")
    (inputs / "g.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="belongs to a run with other input"):
        run_on_ray(Job(inputs=(str(inputs),), output=out), "local")
    assert run_on_ray(Job(inputs=(str(inputs),), output=out, overwrite=True, quiet=True), "local") == 1
    assert spread == [*range(8), *range(9)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--ray: needs a folder"),
        ({"output": Path("o"), "format": Format.HTML}, "writes jsonl, csv or parquet, not html"),
        ({"output": Path("o"), "fail_fast": True}, "cannot --fail-fast"),
        ({"output": Path(__file__)}, "is a file"),
    ],
)
def test_what_ray_cannot_do(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_on_ray(Job(inputs=("x.jsonl",), **options), "local")


def test_folder_of_something_else_is_left_alone(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "part-00000.jsonl").write_text("mine")
    with pytest.raises(ConfigError, match="holds parts of no known run"):
        run_on_ray(Job(inputs=(str(inputs),), output=tmp_path), "local")
    assert (tmp_path / "part-00000.jsonl").read_text() == "mine"
    with pytest.raises(ConfigError, match="cannot read standard input"):
        run_on_ray(Job(inputs=("-",), output=tmp_path / "out"), "local")
