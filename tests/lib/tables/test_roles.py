"""Which column stands for what: by hand, on headers as people write them."""

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import Reading
from ecgscale.errors import UserError
from ecgscale.tables.delimited import Sheet
from ecgscale.tables.names import understand
from ecgscale.tables.roles import find, free_name, is_index, placed, rank, score_of


def roles(*header: str, cells: str = "7", ours: bool = False, **said) -> dict[str, str]:
    """Our name -> the column of the header that stands for it."""
    sheet = Sheet(list(header), [np.array([cells, cells], dtype=object)] * len(header), np.arange(2) + 2, ",")
    found = placed(sheet, [understand(name) for name in header], Reading(**said), ".", ours)
    return {name: header[place] for name, place in found.items()}


def test_of_two_settings_our_own_spelling_is_taken_then_the_first_of_the_list():
    assert roles("learning_rate", "lr") == {"lr": "lr", "lr_": "learning_rate"}
    assert roles("base_lr", "Learning Rate") == {"lr": "Learning Rate", "lr_": "base_lr"}
    assert rank("lr", "lr") < rank("lr", "Learning Rate") < rank("lr", "max_lr") < rank("lr", "other")


def test_of_two_settings_the_one_that_the_user_names_is_taken():
    assert roles("lr", "base_lr", roles={"lr": "base_lr"})["lr"] == "base_lr"


@pytest.mark.parametrize("pair", [("params", "N"), ("val_loss", "val/loss")])
def test_of_two_sizes_or_losses_the_user_is_asked_and_an_answer_is_heard(pair):
    with pytest.raises(UserError, match="two columns mean the same") as asked:
        roles(*pair)
    assert f"{pair[0]!r}" in asked.value.remedy
    ours = understand(pair[0]).role or understand(pair[0]).plain
    said = {"roles": {ours: pair[1]}} if ours == "params" else {"responses": (pair[1],)}
    assert roles(*pair, **said)[ours] == pair[1]


def test_a_d_counts_unique_samples_beside_a_t_and_samples_seen_alone():
    assert roles("N", "D", "loss") == {"params": "N", "samples_seen": "D", "loss": "loss"}
    assert roles("N", "D", "T", "loss") == {"params": "N", "train_records": "D", "samples_seen": "T", "loss": "loss"}


def test_row_numbers_and_unused_columns_stand_for_nothing():
    assert roles("", "Unnamed: 0", "index", "#", "N") == {"params": "N"}
    assert roles("N", "notes", unused=("notes",)) == {"params": "N"}
    assert not is_index("indices")


def test_a_name_that_nearly_spells_a_size_is_asked_about_where_it_holds_numbers():
    with pytest.raises(UserError, match="is this params"):
        roles("parmas", "loss")
    assert "parmas" in roles("parmas", "loss", cells="word")
    assert "parmas" in roles("parmas", "params")            # the size is there
    assert "parmas" in roles("parmas", "loss", ours=True)   # a table of ours is not guessed at


def test_the_second_of_two_columns_of_one_name_is_asked_about():
    with pytest.raises(UserError, match=r"two columns mean the same: loss, loss\.1"):
        roles("N", "loss", "loss.1")
    assert roles("N", "loss", "loss.1", responses=("loss",))["loss"] == "loss"
    assert roles("N", "loss", "loss.1", unused=("loss.1",)) == {"params": "N", "loss": "loss"}
    assert "width_1" in roles("N", "width", "width.1")      # neither size nor response


def test_a_column_is_found_as_it_stands_or_in_our_spelling():
    sheet = Sheet(["Val Loss", "val_loss", "N"], [np.array(["1"], dtype=object)] * 3, np.array([2]), ",")
    names = [understand(name) for name in sheet.names]
    assert [find(sheet, names, written) for written in ("Val Loss", "val_loss", "params")] == [0, 1, 2]
    for written, said in (("other", "no such column"), ("VAL/LOSS", "several columns")):
        with pytest.raises(UserError, match=said):
            find(sheet, names, written)


def test_a_role_that_is_not_known_is_refused_with_the_list():
    with pytest.raises(UserError, match="no such role") as refused:
        roles("N", roles={"size": "N"})
    assert "params" in refused.value.remedy


@pytest.mark.parametrize(("names", "score"), [
    (("val_acc", "test_acc"), "test_acc"), (("top5", "loss", "top1"), "top5"), (("top1", "test_auroc"), "test_auroc"),
    (("loss",), "asked")])
def test_a_table_of_others_has_a_score_to_look_at(names, score):
    assert score_of(pd.DataFrame(0.5, index=[0], columns=list(names)), "asked") == score


def test_a_free_name_is_no_role_and_not_taken():
    assert [free_name(*one) for one in (("a", ()), ("a", ("a", "a_")), ("lr", ()), ("", ()))] == [
        "a", "a__", "lr_", "column"]


@pytest.mark.parametrize(("written", "role", "factor"), [
    ("throughput/total_tokens", "samples_seen", 1), ("throughput/total_gflops", "train_flops", 1e9),
    ("throughput/tokens", None, 1), ("dataset.global_batch_size", "batch_size", 1),
    ("data/tokens", "samples_seen", 1), ("data.tokens_b", "samples_seen", 1e9), ("model/n_params", "params", 1),
    ("config/optim.lr", "lr", 1), ("trainer/batch_size", "batch_size", 1), ("train/tokens", "samples_seen", 1),
    ("model/name", None, 1), ("model/d", None, 1), ("data/seed", None, 1), ("train/loss", None, 1)])
def test_names_of_a_nested_configuration(written, role, factor):
    """As Hydra and W&B write them; one letter is a width or a dropout there, and model/name is no run's name."""
    assert (understand(written).role, understand(written).factor) == (role, factor)
