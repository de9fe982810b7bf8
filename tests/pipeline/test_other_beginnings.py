"""The pipeline begun elsewhere: with real recordings, and with a run table alone."""

import re

import pytest

from ecgscale import contracts
from tests.pipeline.conftest import ROOT, nextflow


def test_real_recordings(tmp_path, shared):
    """34 public recordings of three sources go through every step, and nothing calls them synthetic."""
    rows = [f"{source},{shared / 'data/physionet2021' / source}," for source in ("georgia", "ningbo", "ptb-xl")]
    (tmp_path / "sheet.csv").write_text("\n".join(["source,path,patients", *rows]) + "\n")
    run = nextflow(tmp_path, "-profile", "test", "--input", "sheet.csv")
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
    """`--runs`: laws and report without recordings; a foreign table needs a score and one size column."""
    path = ROOT / "assets/examples/runs.csv"
    if table == "foreign":
        path = tmp_path / "theirs.csv"
        rows = [f"{10 ** (4 + k / 4):.0f},{1 - 0.5 * 10 ** (-k / 12):.4f}\n" for k in range(12)]
        path.write_text("params,score\n" + "".join(rows))
    run = nextflow(tmp_path, "--runs", str(path), "--study", str(ROOT / "assets/studies/test.yaml"))   # few replicates
    assert run.code == 0, run.text
    assert set(run.tasks()) == {"CHECK", "FIT", "REPORT"}
    laws = contracts.Laws.read(run.results / "fit/laws.json")
    assert laws.fits
    assert (run.results / "report/report.html").exists()
