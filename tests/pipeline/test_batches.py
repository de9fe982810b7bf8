"""How runs are put into tasks: so many a batch, and a teacher with its students in one."""

import json

from tests.pipeline.conftest import nextflow

BATCHED = """
include { batched } from './subworkflows/models'
workflow {
    def found = batched(file(params.input).readLines(), 2)
    def json  = new groovy.json.JsonSlurper()
    def names = found.collect { lines -> lines.collect { line -> json.parseText(line).spec.run_id } }
    println 'batches ' + groovy.json.JsonOutput.toJson(names)
}
"""


def test_a_teacher_and_its_students_are_one_task(tmp_path, project):
    (project / "main.nf").write_text(BATCHED)
    teacher_of = {"a": None, "t": None, "b": None, "s": "t", "c": None, "u": "t"}
    lines = [json.dumps({"spec": {"run_id": name} | ({"taught": {"teacher": by}} if by else {})})
             for name, by in teacher_of.items()]
    (tmp_path / "runs.jsonl").write_text("\n".join(lines) + "\n")
    run = nextflow(tmp_path, "--input", "runs.jsonl", project=project)
    assert run.code == 0, run.text
    told = next(line for line in run.text.splitlines() if line.startswith("batches "))
    assert json.loads(told.removeprefix("batches ")) == [["a", "b"], ["c"], ["t", "s", "u"]]
