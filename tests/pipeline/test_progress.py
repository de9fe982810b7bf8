"""What the terminal tells while runs are trained: planted runs whose lines are known."""

import json

from tests.pipeline.conftest import nextflow

# the lines alone: four runs that were trained, of 60 planned, and evaluated one after the other
LINES_ALONE = """
include { progress; remaining } from './subworkflows/progress'
workflow {
    [[25.0, 10], [75.0, 10], [99.9, 1], [1.0, 10], [100.0, 10]].each { done, minutes ->
        println "left after ${done}:${remaining(done, [train_flops: 120.0, tuning_flops: 20.0], minutes * 60000)}"
    }
    println "left of nothing planned:${remaining(25.0, [:], 60000)}"
    folders = ['a', 'b', 'c', 'd'].collect { name -> file("${params.input}/${name}") }
    trained = channel.of([folders])
    evaluated = trained.flatMap { batch -> sleep(500); batch[0] }.map { folder -> [[folder]] }
    progress(trained, evaluated, channel.value(file("${params.input}/plan.json")))
}
"""
METRICS = {     # rows: part, threshold, group, metric, estimate
    "a": [("valid", "0.5", "all", "challenge_score", "0.3"), ("test", "0.5", "all", "challenge_score", "0.9"),
          ("valid", "tuned", "all", "challenge_score", "0.8"), ("valid", "", "all", "auroc", "0.7")],
    "b": [("valid", "0.5", "all", "challenge_score", "0.41256"), ("valid", "0.5", "source", "challenge_score", "0.99")],
    "c": [],                                                    # it diverged
    "d": [("valid", "0.5", "all", "challenge_score", "0.1")]}


def test_lines_say_what_is_done_what_is_best_and_what_is_left(tmp_path, project):
    (project / "main.nf").write_text(LINES_ALONE)
    for name, rows in METRICS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps({"train_flops": 10.0}))
        (tmp_path / name / "metrics.csv").write_text("\n".join(
            ['"part","threshold","group","metric","estimate"',
             *(",".join([*(f'"{text}"' for text in row[:-1]), row[-1]]) for row in rows)]))
    (tmp_path / "plan.json").write_text(json.dumps({"runs": 60, "train_flops": 100.0, "tuning_flops": 20.0}))
    run = nextflow(tmp_path, "--input", str(tmp_path), project=project)
    assert run.code == 0, run.text

    left = [line.split(":") for line in run.text.splitlines() if line.startswith("left ")]
    assert left == [["left after 25.0", "; about 30 minutes of training left"],      # 10 minutes a quarter
                    ["left after 75.0", "; about 4 minutes of training left"],       # 3:20, rounded up
                    ["left after 99.9", "; about 1 minute of training left"],
                    ["left after 1.0", ""], ["left after 100.0", ""],                # too little to tell, none
                    ["left of nothing planned", ""]]
    # a line a twentieth of the study; half of the 80 FLOPs are done within seconds
    assert [line for line in run.text.splitlines() if "trained and evaluated" in line] == [
        "3 of 60 runs are trained and evaluated; best so far on validation: challenge score 0.413 (run b); "
        "about 1 minute of training left"]
