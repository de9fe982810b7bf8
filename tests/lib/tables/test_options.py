"""What the user says of columns: on the command line, and in a study, which it goes before."""

import argparse

import pytest

from ecgscale.analysis.analyse import as_asked
from ecgscale.contracts import Reading
from ecgscale.design.study import Study
from ecgscale.errors import UserError
from ecgscale.tables import options


def said(*words: str) -> Reading:
    made = argparse.ArgumentParser(epilog="")
    options.add_reading(made)
    return options.reading(made.parse_args(words))


def test_several_columns_can_be_left_out():
    assert said("--map", "params=N", "unused=a", "unused=b c") == Reading(roles={"params": "N"}, unused=("a", "b c"))


@pytest.mark.parametrize("words", [("--map", "params=N", "params=M"), ("--map", "seed=a", "--seed-column", "b"),
                                   ("--derive", "train_flops=6*params", "train_flops=params"), ("--map", "params")])
def test_what_is_said_twice_or_not_at_all_is_refused(words):
    with pytest.raises(UserError, match=r"said 2 times: |is no NAME=VALUE"):
        said(*words)


def test_the_command_goes_before_the_study():
    study = Study.model_validate({"name": "other", "analysis": {"columns": {
        "map": {"params": "N", "lr": "rate"}, "seed_column": "s", "response": ["y"], "derive": {"train_flops": "N"}}}})
    both = as_asked(study.analysis.columns, said("--map", "params=M", "--response", "z", "--configuration", "M"))
    assert both == Reading(roles={"params": "M", "lr": "rate", "seed": "s"}, responses=("z",), configuration=("M",),
                           derived={"train_flops": "N"})
    assert as_asked(Study(name="table").analysis.columns, Reading()) == Reading()
