"""-resume repeats what an edit touches and nothing else. On stubs: the graph and the hashes are the real ones."""

from tests.pipeline.conftest import ROOT, nextflow

AFTER_TRAINING = ["EXPORT", "BENCH", "FIT", "REPORT"]       # what reads the section `deploy`, and what follows


def test_resume(tmp_path, project):
    study = tmp_path / "study.yaml"
    study.write_text((ROOT / "assets/studies/test.yaml").read_text())
    arguments = ("-profile", "test", "-stub-run", "-resume", "--study", "study.yaml")

    first = nextflow(tmp_path, *arguments, project=project)
    assert first.code == 0, first.text
    assert set(first.tasks()) == {"CHECK", "SYNTH", "PREPARE", "SPLIT", "CARD", "SAMPLE", "TUNE", "TRAIN", "EVALUATE",
                                  "COLLECT", *AFTER_TRAINING}

    second = nextflow(tmp_path, *arguments, project=project)
    assert second.tasks() == ["CHECK"]      # always: an image may have been built again under its name
    assert sorted([*second.tasks(), *second.tasks("Cached")]) == sorted(first.tasks())

    text = study.read_text()
    assert text.count("top: 1") == 1, "of the section deploy"
    study.write_text(text.replace("top: 1", "top: 2"))
    third = nextflow(tmp_path, *arguments, project=project)
    assert sorted(third.tasks()) == sorted(["CHECK", *AFTER_TRAINING])

    source = project / "lib/ecgscale/errors.py"
    source.write_text(source.read_text() + "\n# edited\n")
    fourth = nextflow(tmp_path, *arguments, project=project)
    assert fourth.tasks("Cached") == []
    assert sorted(fourth.tasks()) == sorted(first.tasks())
