"""-resume repeats what an edit touches and nothing else. On stubs: the graph and the hashes are the real ones."""

import shutil

from tests.pipeline.conftest import ROOT, nextflow

AFTER_TRAINING = ["EXPORT", "BENCH", "FIT", "REPORT"]       # what reads the section `deploy`, and what follows


def test_resume(tmp_path, project):
    study = tmp_path / "study.yaml"
    study.write_text((ROOT / "assets/studies/test.yaml").read_text())
    arguments = ("-profile", "test", "-stub-run", "-resume", "--study", "study.yaml")

    first = nextflow(tmp_path, *arguments, project=project)
    assert first.code == 0, first.text
    assert set(first.tasks()) == {"CHECK", "SYNTH", "PREPARE", "SPLIT", "CARD", "SAMPLE", "TUNE", "TRAIN", "EVALUATE",
                                  "COLLECT", "SCALE", *AFTER_TRAINING}

    # what a full disk left out, and what an earlier run left behind
    cut = ["corpus/card/counts.csv", "latency/latency.parquet", "trained/runs-0001-1/run.json"]
    for name in cut:
        (first.results / name).unlink()
    (first.results / "trained/of-yesterday").mkdir()
    second = nextflow(tmp_path, *arguments, project=project)
    assert all((first.results / name).is_file() for name in cut)
    assert "Published again, as it lay there in part only: corpus/card, trained/runs-0001-1, latency" in second.text
    assert "and in no table of this one: trained/of-yesterday (pipeline_info/earlier_results.txt)" in second.text
    assert "of-yesterday" not in (first.results / "plan/runs.jsonl").read_text()
    assert second.tasks() == ["CHECK"]      # always: an image may have been built again under its name
    assert sorted([*second.tasks(), *second.tasks("Cached")]) == sorted(first.tasks())

    text = study.read_text()
    assert text.count("top: 1") == 1, "of the section deploy"
    study.write_text(text.replace("top: 1", "top: 2"))
    shutil.rmtree(first.results / "corpus/split")
    (first.results / "corpus/split").touch()        # nothing can be published below a file
    third = nextflow(tmp_path, *arguments, project=project)
    assert third.code != 0
    assert "Results are missing in results" in third.text
    assert sorted(third.tasks()) == sorted(["CHECK", *AFTER_TRAINING])

    source = project / "lib/ecgscale/errors.py"
    source.write_text(source.read_text() + "\n# edited\n")
    foretold = first.results / "rounds/round-01.json"       # by an earlier run
    foretold.write_text("{}\n")
    fourth = nextflow(tmp_path, *arguments, project=project)
    assert fourth.code == 0, fourth.text
    assert fourth.tasks("Cached") == []
    assert sorted(fourth.tasks()) == sorted(first.tasks())
    for stage in ("rounds", "earlier"):     # of SAMPLE, which adds its runs, and of SCALE, which judges it
        assert len(list(tmp_path.glob(f"work/*/*/{stage}/round-01.json"))) == 1
    assert foretold.read_text() == "{}\n"
    assert "round-01" not in (first.results / "pipeline_info/earlier_results.txt").read_text()
