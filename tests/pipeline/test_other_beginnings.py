"""The pipeline begun elsewhere: with real recordings, and with a run table alone. Small studies and tables: that larger
ones are answered rightly is asked in tests/lib."""

import re
import shutil

import pytest

from ecgscale import contracts
from tests.pipeline.conftest import ROOT, nextflow

ONE_RUN = """name: one
seed: 1
evaluation: {bootstrap: 20}
deploy: {formats: [onnx], precisions: [float32], repeats: 1, min_count: 5, min_seconds: 0.0, scenarios: [stream]}
analysis: {bootstrap: 20}
runs:
  - family: convnext
    sampler: list
    models: [convnext-20k]
    optimizers: [{name: adamw, lr: 5e-3}]
    training: {epochs: 1}
"""


def test_real_recordings(tmp_path, shared):
    """34 public recordings of three sources go through every step, and nothing calls them synthetic."""
    rows = [f"{source},{shared / 'data/physionet2021' / source}," for source in ("georgia", "ningbo", "ptb-xl")]
    (tmp_path / "sheet.csv").write_text("\n".join(["source,path,patients", *rows]) + "\n")
    (tmp_path / "study.yaml").write_text(ONE_RUN)
    run = nextflow(tmp_path, "--input", "sheet.csv", "--study", "study.yaml", "--runtimes", "onnxruntime")
    assert run.code == 0, run.text
    assert "SYNTH" not in run.tasks()
    shards = [contracts.Shard.read(path) for path in (run.results / "corpus").glob("*/shard.json")]
    assert sum(shard.found for shard in shards) == 34
    assert sum(shard.accepted + shard.rejected for shard in shards) == 34
    assert not contracts.RUNS.read(run.results / "table/runs.parquet")["synthetic"].any()
    page = re.sub(r"<style.*?</style>", "", (run.results / "report/report.html").read_text(), flags=re.DOTALL)
    assert "synthetic" not in page.lower()


@pytest.mark.parametrize("table", ["ours", "foreign"])
def test_a_run_table_alone(tmp_path, table):
    """`--runs`: laws and report without recordings; a foreign table needs a score and one size column, of names that
    the study explains where they do not speak for themselves."""
    study = (ROOT / "assets/studies/test.yaml").read_text()             # few replicates
    if table == "ours":
        header, *rows = (ROOT / "assets/examples/runs.csv").read_text().splitlines()[::16]
        ptbxl = ROOT / "assets/examples/ptbxl"          # a folder of COLLECT's, and the tables of a corpus in it
        for name in ("scores.parquet", "differences.csv"):
            shutil.copy(ptbxl / name, tmp_path)
        shutil.copytree(ptbxl / "corpus", tmp_path / "corpus")
    else:
        header = "weights,quality,params"
        rows = [f"{10 ** (4 + k / 4):.0f},{1 - 0.5 * 10 ** (-k / 12):.4f},see wiki" for k in range(12)]
        study = study.replace("analysis: {", "analysis: {columns: {map: {params: weights}, response: [quality], "
                                             "unused: [params]}, ")
    (tmp_path / "runs.csv").write_text("\n".join([header, *rows]) + "\n")
    (tmp_path / "study.yaml").write_text(study)
    run = nextflow(tmp_path, "--runs", "runs.csv", "--study", "study.yaml")
    assert run.code == 0, run.text
    assert set(run.tasks()) == {"CHECK", "FIT", "REPORT"}
    assert "the study's section scale is not used" in run.text
    laws = contracts.Laws.read(run.results / "fit/laws.json")
    assert laws.fits
    assert laws.runs == len(rows)
    if table == "foreign":
        assert laws.columns.told().startswith("params <- weights, response <- quality;")
    page = (run.results / "report/report.html").read_text(encoding="utf-8")
    assert "./nextflow run . --runs runs.csv --study study.yaml --outdir AGAIN" in page
    assert ("21799 of 21799 recordings accepted" in page) == (table == "ours")
