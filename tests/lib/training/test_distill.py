"""Distillation against formulas written out here, and a teacher with its student from study to run table."""

import numpy as np
import pytest
import torch

from ecgscale.contracts import RunSpec, Teaching, read_tensors
from ecgscale.design.plan import check_teachers
from ecgscale.design.space import sample
from ecgscale.design.study import Study
from ecgscale.errors import UserError
from ecgscale.evaluation.collect import collect, read_metrics
from ecgscale.models.networks import load
from ecgscale.training import distill
from ecgscale.training.data import part_of, windows
from ecgscale.training.train import train_batch
from tests.tiny_corpus import planned, split_of, write_corpus


def test_the_gradient_is_that_of_the_labels_and_of_the_divergence():
    """Kullback-Leibler divergence of two Bernoulli distributions at temperature t, times t^2, written out; in float64
    the two gradients are equal."""
    random = np.random.default_rng(0)
    logits = torch.tensor(random.normal(0, 3, (7, 4)), dtype=torch.float32, requires_grad=True)
    teacher, labels = torch.tensor(random.normal(0, 3, (7, 4))).float(), torch.tensor(random.integers(0, 2, (7, 4)))
    how = Teaching(teacher="t", weight=0.3, temperature=2.5)
    hard = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
    found, = torch.autograd.grad(distill.distilled(how, hard, logits, teacher).sum(), logits)
    z = logits.detach().double().requires_grad_()
    p, q = 1 / (1 + torch.exp(-teacher.double() / 2.5)), 1 / (1 + torch.exp(-z / 2.5))
    divergence = p * torch.log(p / q) + (1 - p) * torch.log((1 - p) / (1 - q))
    student = 1 / (1 + torch.exp(-z))
    plain = -(labels * torch.log(student) + (1 - labels) * torch.log(1 - student))
    expected, = torch.autograd.grad((0.7 * plain + 0.3 * 2.5**2 * divergence).sum(), z)
    assert torch.allclose(found.double(), expected, rtol=1e-5, atol=1e-6)


def study(**changes) -> Study:
    group = {"family": "resnet", "sampler": "list", "optimizers": [{"name": "adamw", "lr": 1e-3}], "seeds": [0, 1]}
    small = group | {"models": ["resnet-20k"]}
    return Study.model_validate({"name": "distil", "runs": [
        small | {"distill": {"teacher": "resnet-60k"}}, small, group | {"models": ["resnet-60k"]}]} | changes)


def test_a_study_names_the_teacher_of_each_student():
    """The run of that size with the same seed; the runs of the other groups are those of a study without."""
    runs, _ = sample(study())
    plain, _ = sample(Study.model_validate(study().model_dump(exclude_unset=True) | {"runs": study().model_dump(
        exclude_unset=True)["runs"][1:]}))
    assert runs[:4] == plain
    teachers = {run.spec.seed: run.spec.run_id for run in plain[2:]}
    assert [run.spec.taught.teacher for run in runs[4:]] == [teachers[run.spec.seed] for run in runs[4:]]
    assert len({run.spec.run_id for run in runs}) == 6
    assert "taught" not in plain[0].spec.model_dump()       # so that ids and files are as before
    assert RunSpec.model_validate(runs[5].spec.model_dump(mode="json")) == runs[5].spec


def test_a_student_without_its_teacher_is_refused():
    other = study().model_dump(exclude_unset=True)
    other["runs"][0]["training"] = {"data_fraction": 0.5}
    with pytest.raises(UserError, match=r"runs.0.distill: no run of resnet-60k has recipe study and data_fraction 0.5"):
        sample(Study.model_validate(other))
    with pytest.raises(ValueError, match="a teacher is known by its learning rate"):
        study(tuning={"trials": 2})
    runs, _ = sample(study())
    check_teachers(runs)
    with pytest.raises(UserError, match=f"the budget leaves out {runs[2].spec.run_id}, which teaches"):
        check_teachers(runs[:2] + runs[4:])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A teacher and its student, the student first in the batch."""
    folder = tmp_path_factory.mktemp("distil")
    corpus = write_corpus(folder / "shard")
    teacher = planned(epochs=1)
    student = planned(epochs=2, taught=Teaching(teacher=teacher.spec.run_id, weight=1.0))
    results = train_batch([student, teacher], corpus, *split_of(corpus), folder / "trained", folder / "kept")
    return folder, corpus, student, teacher, results


def test_the_answers_are_mean_logits_of_whole_recordings_made_once(trained, monkeypatch):
    folder, corpus, student, teacher, results = trained
    assert [result.status for result in results] == ["finished", "finished"]
    kept, = (folder / "kept").glob("answers-*.safetensors")
    logits = read_tensors(kept)[1]["logits"].numpy()
    positions = part_of(corpus, split_of(corpus)[0], "train")
    network = load(folder / "trained" / teacher.spec.run_id)[1]
    with torch.inference_mode():
        expected = [network(torch.from_numpy(windows(corpus.signal(place), 256))).mean(0).numpy()
                    for place in positions]
    assert np.allclose(logits, expected, atol=1e-5)
    monkeypatch.setattr(distill, "made", lambda *_: pytest.fail("made again"))
    again = planned(epochs=1, taught=student.spec.taught)
    result, _ = train_batch([again, teacher], corpus, *split_of(corpus), folder / "trained", folder / "kept")
    assert result.status == "finished"


def test_a_student_s_cost_holds_its_share_of_the_teacher(trained):
    folder, corpus, student, teacher, (result, taught_by) = trained
    table = collect([folder / "trained" / plan.spec.run_id for plan in (student, teacher)], read_metrics([]))
    row = table.set_index("run_id").loc[student.spec.run_id]
    alone = student.ledger.step_flops * result.samples_seen
    lengths = corpus.records["length"].to_numpy()[part_of(corpus, split_of(corpus)[0], "train")]
    answered = teacher.ledger.forward_flops * np.maximum(np.ceil(lengths / 256), 1).sum()
    assert result.train_flops == alone + answered
    assert row["train_flops"] == alone + answered + taught_by.train_flops
    assert row["teacher_flops"] == answered + taught_by.train_flops
    assert table["taught"].tolist().count("alone") == 1
    assert "taught by" in result.notes[0]


def test_a_student_whose_teacher_is_not_there_fails_and_says_so(trained, tmp_path):
    _, corpus, student, *_ = trained
    result, = train_batch([student], corpus, *split_of(corpus), tmp_path / "trained", tmp_path / "kept")
    assert (result.status, "is not among the runs trained before it" in result.reason) == ("failed", True)
