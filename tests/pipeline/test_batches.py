"""How runs are put into tasks: so many a batch, and a teacher with its students in one."""

import json
import re

import pytest

from tests.pipeline.conftest import copy_project, nextflow

ALONE = """
include { batched; complete; kept } from './subworkflows/models'
workflow {
    def found = batched(file(params.input).readLines(), 2)
    def json  = new groovy.json.JsonSlurper()
    def names = found.collect { lines -> lines.collect { line -> json.parseText(line).spec.run_id } }
    println 'batches ' + groovy.json.JsonOutput.toJson(names)

    def batch = kept('runs-0001.jsonl', 'one\\ntwo\\n')
    batch.text = 'one\\n'
    println "again ${kept('runs-0001.jsonl', 'one\\ntwo\\n').readLines()}"
    def lines = ['a', 'b', 'c']
    println "whole ${complete([['', lines]], file('plan.json'))}"
    complete([['', lines.init()]], file('plan.json'))
}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The functions alone, the last of them with too few lines."""
    folder = tmp_path_factory.mktemp("alone")
    project = copy_project(folder)
    (project / "main.nf").write_text(ALONE)
    teacher_of = {"a": None, "t": None, "b": None, "s": "t", "c": None, "u": "t"}
    lines = [json.dumps({"spec": {"run_id": name} | ({"taught": {"teacher": by}} if by else {})})
             for name, by in teacher_of.items()]
    (folder / "runs.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "plan.json").write_text('{"runs": 3}')
    return nextflow(folder, "--input", "runs.jsonl", project=project)


def test_a_teacher_and_its_students_are_one_task(run):
    told = next(line for line in run.text.splitlines() if line.startswith("batches "))
    assert json.loads(told.removeprefix("batches ")) == [["a", "b"], ["c"], ["t", "s", "u"]]


def test_a_line_of_a_run_that_was_lost_in_the_work_folder_is_mended_or_ends_the_run(run):
    """A batch is what the lines make, and there are as many lines as plan.json says."""
    assert "again [one, two]" in run.text
    assert "whole [a, b, c]" in run.text
    assert run.code != 0
    assert re.search(r"plan\.json plans 3 runs, and 2 lines of runs\.jsonl arrived: a file of the work folder was "
                     "changed or cut short. Remove .*, then run the same command with -resume", run.text)
