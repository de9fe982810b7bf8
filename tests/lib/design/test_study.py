"""Study files: every mistake is reported with file, line, field and, where there is one, the near name."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from ecgscale.design.axes import Range
from ecgscale.design.marked_yaml import Loader
from ecgscale.design.space import sample
from ecgscale.design.study import Study, json_schema, read_study
from ecgscale.errors import UserError
from ecgscale.paths import ASSETS

STUDIES = sorted((ASSETS / "studies").glob("*.yaml"))
SCHEMA = json.loads((ASSETS / "studies" / "study.schema.json").read_text())
GROUP = """name: example
runs:
  - family: regnet
    count: 3
    space:
      depth: {low: 4, high: 20, step: 1}
      w_0: [32, 64]
      w_a: 10
      w_m: 2.0
      group_width: 8
    optimizers:
      - {name: adamw, lr: {low: 1e-4, high: 1e-2, log: true}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_committed_studies_pass_both_checks(path):
    """Ours, and any JSON Schema validator with the committed schema."""
    assert read_study(path).name == path.stem
    jsonschema.validate(yaml.load(path.read_text(), Loader), SCHEMA)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_written_as_json_gives_the_same_runs(path, tmp_path):
    """The pipeline hands every task its sections as JSON."""
    study = read_study(path)
    (tmp_path / "study.json").write_text(json.dumps(study.model_dump(mode="json"), indent=1))
    again = read_study(tmp_path / "study.json")
    assert again == study
    assert [run.spec.run_id for run in sample(again)[0]] == [run.spec.run_id for run in sample(study)[0]]


def test_schema_file_is_the_one_of_the_classes():
    assert json_schema() == SCHEMA, "write it again: python -m ecgscale.design.study > assets/studies/study.schema.json"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_defaults():
    study = Study(name="x")
    assert (study.data.recipe, study.data.window, study.split.method) == ("study", 1024, "patients")
    assert study.runs == ()


def test_json_is_read_too(tmp_path):
    path = tmp_path / "study.json"
    values = yaml.load(GROUP, Loader) | {"description": "café / \U0001f600"}
    path.write_text(json.dumps(values, indent="\t").replace("/", "\\/"))
    assert read_study(path).description == values["description"]
    assert read_study(path).runs == read_study(written(tmp_path, GROUP)).runs
    path.write_text(json.dumps(values, indent="\t").replace('"count": 3', '"count": -3'))
    with pytest.raises(UserError, match="greater than") as error:
        read_study(path)
    assert error.value.line == path.read_text().split("-3")[0].count("\n") + 1
    path.write_text("{'name': 'x'}")
    with pytest.raises(UserError, match="not valid JSON"):
        read_study(path)


@pytest.mark.parametrize(("old", "new", "line", "field", "says"), [
    ("name: example", "nam: example", 1, "nam", "Did you mean 'name'"),
    ("name: example", "name: ../x", 1, "name", "pattern"),
    ("    count: 3", "    count: -3", 4, "runs.0.count", "greater than or equal to 1"),
    ("    count: 3", "    cuont: 3", 4, "runs.0.cuont", "Did you mean 'count'"),
    ("family: regnet", "family: regnot", 3, "runs.0.family", "'regnet', 'convnext'"),
    ("{low: 4, high: 20, step: 1}", "{low: 24, high: 20, step: 1}", 6, "runs.0.space.depth", "low 24 is above high 20"),
    ("{low: 4, high: 20, step: 1}", "{low: 4, high: 20, stop: 1}", 6, "runs.0.space.depth.stop", "Did you mean 'step'"),
    ("{low: 4, high: 20, step: 1}", "{low: -4, high: 20, step: 1}", 6, "runs.0.space.depth", "-4"),
    ("{low: 4, high: 20, step: 1}", "{low: 4, high: 20}", 6, "runs.0.space.depth", "step: 1"),
    ("w_0: [32, 64]", "w_0: [32, 60]", 7, "runs.0.space.w_0", "multiple of 8"),
    ("group_width: 8", "group_with: 8", 10, "runs.0.space.group_with", "Did you mean 'group_width'"),
    ("      w_m: 2.0\n", "", 5, "runs.0.space", "w_m is missing"),
    ("w_m: 2.0", "w_m: 0.5", 9, "runs.0.space.w_m", "greater than 1"),
    ("{low: 4, high: 20, step: 1}", "{low: 4, high: 20, step: 0.5}", 6, "runs.0.space.depth", "4.5"),
    ("{low: 4, high: 20, step: 1}", "{low: 4, high: 20, step: 1e-9}", 6, "runs.0.space.depth", "more than 10000"),
    ("{low: 4, high: 20, step: 1}", "{low: 4, high: .inf}", 6, "runs.0.space.depth", "finite"),
    ("low: 1e-4, high: 1e-2", "low: 1e-4, high: .inf", 12, "runs.0.optimizers.0.lr", "finite"),
    ("low: 1e-4", "low: 0", 12, "runs.0.optimizers.0.lr", "above 0"),
    ("low: 1e-4", "low: 1e-1", 12, "runs.0.optimizers.0.lr", "is above high"),
    ("name: adamw,", "name: adamw, momentum: 1.2,", 12, "runs.0.optimizers.0.momentum", "at most"),
    ("log: true}}", "log: true}}\n    training: {data_fraction: 2}", 13, "runs.0.training.data_fraction", "at most 1"),
    ("log: true}}", "log: true}}\n    training: {augment: [noize]}", 13, "runs.0.training.augment.0", "'noise'"),
    ("log: true}}", "log: true}}\n    leads: 5", 13, "runs.0.leads", "12, 6, 4, 3 or 2"),
    ("log: true}}", "log: true}}\n    leads: [I, II, V9]", 13, "runs.0.leads.2", "'V6'"),
    ("log: true}}", "log: true}}\n    leads: [[I, I]]", 13, "runs.0.leads.0", "a lead is named twice"),
    ("name: example", "name: example\ndata: {leads: [II, MLII]}", 2, "data.leads.1", "'aVR'"),
    ("name: example", "name: example\ndeploy: {min_seconds: 1e9}", 2, "deploy.min_seconds", "equal to 3600"),
    ("name: example", "name: example\ndeploy: {repeats: 1000000}", 2, "deploy.repeats", "equal to 1000"),
    ("log: true}}", "log: true}}\n    leads: 2\ndata: {leads: [II, V5]}", 13, "runs.0.leads", "data.leads has no I"),
    ("log: true}}", "log: true}}\n    recipe: study-100", 13, "runs.0.recipe", "data.recipe does not list 'study-100'"),
    ("log: true}}", "log: true}}\n    window: 0.05 s", 13, "runs.0.window", "Give 32 to 1,000,000 samples"),
    ("log: true}}", "log: true}}\n    distill: {teacher: regnet-2m}", 13, "runs.0.distill.teacher", "no group lists"),
    ("log: true}}", "log: true}}\n    window: 2 m", 13, "runs.0.window", "should match pattern"),
    ("name: example", "name: example\ndata: {recipe: [study, study]}", 2, "data.recipe", "named twice"),
    ("log: true}}", "log: true}}\n    models: [regnet-20k]", 3, "runs.0", "either a space or a list of models"),
    ("name: example", "name: example\nname: again", 2, None, "given twice"),
    ("name: example", "name: example\ndata: {max_rejected: 1.5}", 2, "data.max_rejected", "less than or equal to 1"),
    ("name: example", "name: example\nsplit:\n  method: patient", 3, "split.method", "'patients'"),
    ("name: example", "name: [example", 2, None, "not valid YAML"),
    ("name: example", "name: &a [*a]", 1, None, "aliases"),
    ("name: example", "name: !!python/object/apply:os.system [ls]", 1, None, "not valid YAML"),
])
def test_mistakes(tmp_path, old, new, line, field, says):
    path = written(tmp_path, GROUP.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        read_study(path)
    assert (error.value.line, error.value.field) == (line, field)
    assert says in str(error.value)
    assert str(error.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(("models", "field", "says"), [
    ("[regnet-20]", "runs.0.models.0", "regnet-20k"),
    ("[convnext-20k]", "runs.0.models.0", "no regnet is named"),
    ("[regnet-20k, {depth: 4, w_0: 32, w_a: 1, w_m: 2, grup: 1}]", "runs.0.models.1", "group_width"),
])
def test_mistakes_in_models(tmp_path, models, field, says):
    path = written(tmp_path, f"name: x\nruns:\n  - family: regnet\n    sampler: list\n    models: {models}\n"
                             "    optimizers: [{name: sgd, lr: 0.1}]\n")
    with pytest.raises(UserError, match=says) as error:
        read_study(path)
    assert (error.value.line, error.value.field.split(".g")[0]) == (5, field)


@pytest.mark.parametrize("text", ["", "just text", "- 1\n- 2\n"])
def test_a_file_without_sections(tmp_path, text):
    with pytest.raises(UserError, match="mapping"):
        read_study(written(tmp_path, text))


def test_missing_and_oversized_files(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_study(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="has 200011 bytes, at most 200000"):
        read_study(written(tmp_path, "name: x  #" + "x" * 200_001))


@pytest.mark.parametrize("key", ["\\ud83d\\ude00", "a\\/b", "\\u0085"])
def test_an_unknown_key_that_json_spells_otherwise_is_named(tmp_path, key):
    """YAML, which tells the lines, and JSON read such a key as two different texts."""
    (tmp_path / "study.json").write_text(f'{{"name": "x", "{key}": 1}}')
    with pytest.raises(UserError, match="unknown key"):
        read_study(tmp_path / "study.json")


def test_endless_digits_end(tmp_path):
    """Digits without end that never become a number: a pattern that tried them two ways took hours."""
    with pytest.raises(UserError, match="seed"):
        read_study(written(tmp_path, f"name: long\nseed: {'9' * 150_000}x\n"))


@pytest.mark.parametrize("target", ["loss", "test_loss", "valid_loss", "error"])
def test_a_target_of_which_less_is_better_is_refused(tmp_path, target):
    """The front and the best run would be those of the worst; and `loss` names a setting in a run table of ours."""
    with pytest.raises(UserError, match=r"no score: less of it is better. Give a score") as found:
        read_study(written(tmp_path, f"name: less\nanalysis:\n  target: {target}\n"))
    assert (found.value.line, found.value.field) == (3, "analysis.target")


def test_brackets_within_brackets_are_refused_before_their_keys_are_looked_for(tmp_path):
    """2,000 of them took two seconds."""
    (tmp_path / "study.json").write_text('{"name": "x", "runs": ' + "[" * 2000)
    with pytest.raises(UserError, match=r"study\.json:1: not valid YAML: more than 50 brackets within brackets"):
        read_study(tmp_path / "study.json")


def test_aliases_that_unfold_are_refused_before_they_do(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    with pytest.raises(UserError, match="aliases"):
        read_study(written(tmp_path, "\n".join(lines)))


def test_range_values_are_exact_decimals():
    assert Range(low=1.1, high=3.0, step=0.1).values() == tuple(n / 10 for n in range(11, 31))
    assert Range(low=32, high=64, step=8).values() == (32, 40, 48, 56, 64)
    assert all(isinstance(value, int) for value in Range(low=4, high=20, step=1).values())
    assert Range(low=0, high=1, step=0.3).values() == (0, 0.3, 0.6, 0.9)
