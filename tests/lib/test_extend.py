"""The pages of docs/extend done as they say, on a copy of the package: one new file, one changed line, and it works."""

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgscale.deploy.export import export_models
from ecgscale.design.study import Deploy
from tests.tiny_models import LABELS, recordings, run_table, trained_run
from tests.tiny_records import twelve_leads

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "extend"
NEW_FILE = re.compile(r"^`(lib/\S+\.py)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^The line, in `(lib/\S+\.py)`:\n\n```diff\n-(.*)\n\+(.*)\n```$", re.MULTILINE)


@dataclass(frozen=True)
class Copy:
    """The package with every page's extension, beside the checkout's own assets and commands."""

    root: Path

    def python(self, *arguments: str) -> str:
        told = subprocess.run([sys.executable, *map(str, arguments)], text=True, check=False, capture_output=True,
                              env={**os.environ, "PYTHONPATH": f"{self.root / 'lib'}:{ROOT}"})
        assert told.returncode == 0, told.stdout + told.stderr
        return told.stdout

    def command(self, name: str, *arguments: str) -> str:
        return self.python(self.root / "bin" / name, *arguments)


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Copy:
    root = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "lib", root / "lib", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("assets", "bin"):
        (root / name).symlink_to(ROOT / name)
    for page in ("family", "runtime", "dataset", "law"):
        text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
        (new, code), = NEW_FILE.findall(text)
        (changed, before, after), = LINE.findall(text)
        assert not (root / new).exists()
        (root / new).write_text(code, encoding="utf-8")
        old = (root / changed).read_text(encoding="utf-8")
        assert old.count(before) == 1, f"{changed} has no such line: {before}"
        (root / changed).write_text(old.replace(before, after), encoding="utf-8")
        lines = difflib.unified_diff(old.splitlines(), old.replace(before, after).splitlines(), n=0, lineterm="")
        assert sum(line.startswith("+") and not line.startswith("+++") for line in lines) == 1
    return Copy(root)


def test_a_family_is_planned_built_counted_and_has_a_schema(extended, tmp_path):
    study = {"name": "toy", "runs": [{"family": "pooled", "sampler": "list", "models": ["pooled-20k"],
                                      "optimizers": [{"name": "adamw", "lr": 1e-3}]}]}
    (tmp_path / "study.json").write_text(json.dumps(study))
    extended.command("ecg-sample", "--study", tmp_path / "study.json", "--records", "100", "--out", tmp_path / "plan")
    planned = json.loads((tmp_path / "plan" / "runs.jsonl").read_text().splitlines()[0])
    assert planned["ledger"]["params"] == 12 * 16 * 91 + 91 + 91 * 26 + 26
    told = extended.python("-c", (
        "import torch\n"
        "from torch.utils.flop_counter import FlopCounterMode\n"
        "from ecgscale.contracts import ModelSpec\n"
        "from ecgscale.models.networks import build\n"
        "from ecgscale.models.complexity import ledger\n"
        "from ecgscale.report.style import label\n"
        "spec = ModelSpec(family='pooled', params={'parts': 16, 'hidden': 91})\n"
        "network, signal = build(spec, 12, 1024, 26, seed=1), torch.randn(2, 12, 1024)\n"
        "program = torch.export.export(network.eval(), (signal[:1],))\n"
        "with FlopCounterMode(display=False) as counter: logits = network(signal[:1])\n"
        "assert torch.allclose(program.module()(signal[:1]), logits) and network(signal).shape == (2, 26)\n"
        "assert sum(w.numel() for w in network.parameters()) == ledger(spec).params\n"
        "assert counter.get_total_flops() == ledger(spec).forward_flops\n"
        "from ecgscale.design.study import json_schema\n"
        "import json; print(label('pooled')); print(json.dumps(json_schema()))"))
    name, schema = told.split("\n", 1)
    assert name == "Pooled"
    assert "pooled" in json.loads(schema)["$defs"]["RunGroup"]["properties"]["family"]["enum"]


def test_a_runtime_is_listed_and_measured(extended, tmp_path):
    assert re.search(r"^onnxreference\s.*cpu", extended.command("ecg-bench", "--list", "--runtimes", "onnxreference"),
                     re.MULTILINE)
    result, (corpus, split) = trained_run(tmp_path / "runs"), recordings()
    made, = export_models([tmp_path / "runs" / result.spec.run_id], run_table([result], [0.5]), corpus, split,
                          Deploy(formats=("onnx",), precisions=("float32",), margin=1.0), LABELS, tmp_path / "models",
                          threads=1, replicates=0)
    study = {"name": "toy", "deploy": {"runtimes": ["onnxreference"], "repeats": 1, "min_count": 2, "min_seconds": 0.0}}
    (tmp_path / "study.json").write_text(json.dumps(study))
    extended.command("ecg-bench", "--models", tmp_path / "models" / made.label, "--study", tmp_path / "study.json",
                     "--out", tmp_path / "latency", "--cpus", "1")
    rows = pd.read_parquet(tmp_path / "latency" / "latency.parquet")
    assert set(rows["runtime"]) == {"onnxreference"}
    assert rows["status"].isin(["ok", "void"]).all(), rows["reason"]      # void: neighbours disturbed it
    assert rows["logit_difference"].max() < 1e-3


def test_a_dataset_is_checked_and_prepared(extended, tmp_path):
    folder = tmp_path / "hospital"
    folder.mkdir()
    leads = ["I", "II", "III", "aVR", "aVL", "aVF", *(f"V{number}" for number in range(1, 7))]
    for number in range(3):
        frame = pd.DataFrame(twelve_leads(2500, number) / 1000, columns=leads)
        frame.to_csv(folder / f"r{number}.csv", index=False)
    (folder / "about.csv").write_text("record,codes,patient\nr0,426783006,p0\nr1,164889003 426783006,p1\nr2,,p2\n")
    (tmp_path / "sheet.csv").write_text("source,path,dataset\nward,hospital,plain\n")
    (tmp_path / "study.yaml").write_text("name: toy\n")
    study = tmp_path / "study.yaml"
    extended.command("ecg-check", "--sheet", tmp_path / "sheet.csv", "--study", study, "--out", tmp_path / "checked")
    assert json.loads((tmp_path / "checked" / "sheet.json").read_text())[0]["pattern"] == "*.csv"
    extended.command("ecg-prepare", "--folder", folder, "--source", "ward", "--dataset", "plain", "--study", study,
                     "--out", tmp_path / "corpus")
    records = pd.read_parquet(tmp_path / "corpus" / "records.parquet").set_index("record")
    assert records["patient"].tolist() == ["ward/p0", "ward/p1", "ward/p2"]
    assert records["y_164889003"].tolist() == [False, True, False]


def test_a_law_is_fitted_beside_the_others(extended, tmp_path):
    """The truth that its page plants is found, and of all laws of one size it is the preferred one."""
    x = np.geomspace(1e4, 1e8, 24)
    y = (0.1 + 2.0 * (1 + x / 1e6) ** -0.8) * np.exp(0.003 * np.random.default_rng(1).standard_normal(24))
    pd.DataFrame({"params": x, "test_loss": y}).to_csv(tmp_path / "runs.csv", index=False)
    told = extended.python("-c", (
        "import pandas as pd, ecgscale\n"
        f"law = ecgscale.fit(pd.read_csv({str(tmp_path / 'runs.csv')!r}), over='params', replicates=0)\n"
        "print(law.fit.law, law.fit.verdict, law.fit.estimates['c'])"))
    name, verdict, c = told.split()
    assert (name, verdict) == ("onset", "identified")
    assert float(c) == pytest.approx(0.8, rel=0.05)


def test_it_is_told_how_much_each_takes():
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for page in ("family", "runtime", "dataset", "law"):
        (_, code), = NEW_FILE.findall((PAGES / f"{page}.md").read_text(encoding="utf-8"))
        assert f"(docs/extend/{page}.md) | one new ({len(code.splitlines())} lines), one line |" in told


def test_the_example_of_a_test_passes():
    code, = re.findall(r"```python\n(.*?)^```$", (PAGES / "one-test.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    given: dict = {}
    exec(code, given)
    given["test_a_floor_of_nothing_is_the_power_law"]()
