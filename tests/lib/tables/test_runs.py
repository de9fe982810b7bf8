"""Run tables as people and trackers write them: each says what was meant beside what is read."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgscale.contracts import RUNS, Reading
from ecgscale.contracts.run_table import configurations
from ecgscale.errors import UserError
from ecgscale.laws.columns import responses, rows_used, told_rows
from ecgscale.paths import ASSETS
from ecgscale.tables.delimited import Sheet, parsed
from ecgscale.tables.names import understand
from ecgscale.tables.roles import score_of
from ecgscale.tables.runs import read_any, read_runs, read_telling, run_table


def read(text: str, **reading):
    return run_table(parsed(text, Path("table.csv"), []), Reading(**reading))


@pytest.mark.parametrize(("text", "params", "loss"), [
    ("Model Size,loss\n1.4B,2.5\n300 M,3\n7e9,2\n", [1.4e9, 3e8, 7e9], [2.5, 3, 2]),
    ("params,loss\n1 x 10^4,2.5\n2·10^5,2\n3 x 10^999,1\n", [1e4, 2e5, np.nan], [2.5, 2, 1]),
    ("Params (M),val/loss\n1,2.5\n20,2\n", [1e6, 2e7], [2.5, 2]),
    ("n_params;loss\n1.000.000;2,51\n20.000.000;2,25\n", [1e6, 2e7], [2.51, 2.25]),
    ("params;loss\n100000;1,349\n143844;1,252\n", [100000, 143844], [1.349, 1.252]),
    ('params,loss\n"1,234,567",2.5\n"12,345",2\n', [1234567, 12345], [2.5, 2]),
    ("params\tval loss\n1 234 567\t2.5\n12'345\t2\n", [1234567, 12345], [2.5, 2]),
    ("N loss\n1e6   2.5\n2e6   2\n", [1e6, 2e6], [2.5, 2]),
    ("# params loss\n1e6 2.5\n2e6 2\n", [1e6, 2e6], [2.5, 2]),
    ('"params","loss"\n"1",1e6,2.5\n"2",2e6,2\n', [1e6, 2e6], [2.5, 2]),
    (",params,loss\n0,1e6,2.5\n1,2e6,2\n", [1e6, 2e6], [2.5, 2]),
    ("sep=;\nparams;loss\n1000000;2.5\n2000000;2\n", [1e6, 2e6], [2.5, 2]),
    ("params,loss,\n1e6,2.5,\n2e6,2,\n", [1e6, 2e6], [2.5, 2]),
    ("params,loss\n1e6,2.5,\n2e6,2,\n", [1e6, 2e6], [2.5, 2]),
    ("params in millions,nll\n1,2.5\n2,2\n", [1e6, 2e6], [2.5, 2]),
    ("modelSize,testLoss\n1.5×10^6,2.5\n2·10^6,2\n", [1.5e6, 2e6], [2.5, 2]),
    ("Params (M),Loss (nats)\n1,2.5\n2,2\n", [1e6, 2e6], [2.5, 2]),
    ("params,Test loss [bits/byte]\n1e6,2.5\n2e6,2\n", [1e6, 2e6], [2.5, 2]),
    ("params,metrics.ppl (↓)\n1e6,2.5\n2e6,2\n", [1e6, 2e6], [2.5, 2]),
], ids=range(19))
def test_numbers_are_what_was_meant(text, params, loss):
    table = read(text)
    assert table.frame["params"].tolist() == pytest.approx(params, nan_ok=True)
    (name,) = table.columns.responses
    assert table.frame[name].tolist() == pytest.approx(loss)


@pytest.mark.parametrize(("content", "accuracy"), [
    (b"params,accuracy\n1e6,55 %\n2e6,60%\n", [0.55, 0.6]),
    ("params,accuracy\n1e6,55\n2e6,60\n".encode("utf-8-sig"), [0.55, 0.6]),
    (b"params,accuracy (%)\n1e6,0.9\n2e6,1.2\n", [0.009, 0.012]),
    ("params,accuracy,größe\n1e6,0.5,a\n2e6,0.6,b\n".encode("cp1252"), [0.5, 0.6]),
    ("params,accuracy\r\n1e6,0.5\r\n2e6,0.6\r\n".encode("utf-16"), [0.5, 0.6]),
])
def test_percent_byte_order_marks_and_encodings(tmp_path, content, accuracy):
    (tmp_path / "table.csv").write_bytes(content)
    assert read_runs(tmp_path / "table.csv").frame["accuracy"].tolist() == pytest.approx(accuracy)


@pytest.mark.parametrize("index", [False, True])
def test_levels_of_columns_are_read_as_pandas_writes_them(index, tmp_path):
    """Means over seeds by groupby and agg, and a frame of two levels with a numbered index: the sizes and losses that
    pandas was given, on the lines where it wrote them."""
    frame = pd.DataFrame({"params": [1e6, 1e6, 2e6, 2e6], "tokens": [1e8, 1e8, 4e8, 4e8], "loss": [3.0, 3.2, 2.5, 2.7]})
    means = frame.groupby(["params", "tokens"]).agg({"loss": ["mean", "std"]})
    if index:
        means = frame.groupby(["params", "tokens"], as_index=False).mean()
        means.columns = pd.MultiIndex.from_tuples([("model", "params"), ("train", "tokens"), ("val", "loss")])
    means.to_csv(tmp_path / "levels.csv")
    read_in = read_runs(tmp_path / "levels.csv")
    assert read_in.frame[["params", "samples_seen"]].to_numpy().tolist() == [[1e6, 1e8], [2e6, 4e8]]
    assert list(read_in.columns.responses) == ["val_loss" if index else "loss"]
    assert read_in.frame[next(iter(read_in.columns.responses))].tolist() == pytest.approx([3.1, 2.6])
    assert "2 lines of header are joined" in " ".join(read_in.columns.notices)


def test_a_row_of_words_below_a_header_without_an_index_is_a_row():
    with pytest.raises(UserError, match="params: 'small' is not a number"):
        read("params,loss\nsmall,low\n1e6,2.5\n")


TRACKERS = {        # as each writes its runs; how many of them ended well with a loss
    "W&B": ('"Name","State","Notes","User","Tags","Created","Runtime","n_params","seed","val/loss"\n'
            '"run #18","finished","-","me","","2024-01-01T00:00:00.000Z","600","1.2e6","1","2.5"\n'
            '"run, two","crashed","-","me","","2024-01-01T00:00:00.000Z","20","2.4e6","1",""\n', 1),
    "MLflow": ("run_id,experiment_id,status,artifact_uri,start_time,metrics.val_loss,params.n_params,params.seed,"
               "tags.mlflow.user\na1,0,FINISHED,file:a,2024-01-01,2.5,1200000,1,me\n"
               "a2,0,FAILED,file:b,2024-01-01,,2400000,1,me\n", 1),
    "Optuna": ("number,value,datetime_start,duration,params_lr,user_attrs_n_params,user_attrs_val_loss,state\n"
               "0,2.5,2024-01-01,0 days,0.1,1200000,2.5,COMPLETE\n1,,2024-01-01,0 days,0.2,2400000,,PRUNED\n", 1),
    "Ray Tune": ("trial_id,status,config/n_params,val_loss\na,TERMINATED,1200000,2.5\nb,ERROR,2400000,nan\n", 1),
    "Slurm's words": ("id,job_state,n_params,val_loss\na,COMPLETED,1200000,2.5\nb,OUT_OF_MEMORY,2400000,3\n", 1),
}


@pytest.mark.parametrize("tracker", TRACKERS)
def test_exports_of_trackers(tracker):
    text, finished = TRACKERS[tracker]
    table = read(text)
    assert list(table.columns.responses) == ["val_loss"]
    assert table.frame["params"].tolist() == [1.2e6, 2.4e6]
    assert table.frame["status"].eq("finished").sum() == finished


@pytest.mark.parametrize(("text", "said"), [
    ("params,n_params,loss\n1,1,1\n", r"two columns mean the same: params, n_params.*--map.*Understood: params"),
    ("params,val_loss,val/loss\n1,1,1\n", "val_loss, val/loss.*--response"),
    ("params,loss,loss.1\n1,1,1\n", r"loss, loss\.1"),
    ("params,tokns,loss\n1,1,1\n", "tokns: is this samples_seen.*--map samples_seen='tokns'"),
    ("width,loss\n1,1\n", "no column is a size.*Understood: loss"),
    ("params,width\n1,1\n", "no column is a score or loss.*--map score=COLUMN for a score, --map loss="),
    ("params,loss\n1,1\n2,1,5\n", ":3: 3 fields, but the header has 2"),
    ("params;loss\n1;2;3\n1;2\n", ":2: 3 fields, but the header has 2"),
    ("params,loss\n1e3,0.5\n1e4,bad\n", ":3: loss: 'bad' is not a number"),
    ("params\tloss\n1,234\t2\n", "1,234 may be a thousand"),
    ("params;loss;lr\n1;2,5;0.1\n2;2,5;1.5\n3;2.5;1\n", "decimal commas in one column"),
    ("1e6,2.5\n2e6,2\n", "no header"),
    ("params,loss,status\n1,1,finished\n2,1,perhaps\n", ":3: status: 'perhaps' is neither"),
])
def test_what_is_in_doubt_is_asked_about(tmp_path, text, said):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        read_runs(tmp_path / "table.csv")


def test_a_carriage_return_inside_a_line_and_a_field_without_end():
    """The first ends a line, as old Macs wrote them; the second is refused with its line."""
    assert len(read("params,loss\r1,2\r3,4\n5,6\n").frame) == 3
    with pytest.raises(UserError, match=r":2: not a readable CSV \(field larger"):
        read('params,loss\n1,"' + "2" * 200_000)


def test_many_spaces_take_no_time():
    """A pattern that tries every space as the last of its line took a minute."""
    assert len(read("params loss\n1" + " " * 200_000 + "2\n3 4\n").frame) == 2


def test_a_long_name_of_a_column_takes_no_time():
    """Patterns that look for a unit take the cube of a name's length: 100,000 brackets took more than two minutes."""
    for name in ("[" * 100_000, "tokens_in_" * 20_000):
        started = time.process_time()
        assert understand(name).unit == ""
        assert time.process_time() - started < 1


def test_usual_columns_of_other_meaning_are_not_asked_about():
    usual = ("train_loss", "train_time", "train_steps", "n_layers", "d_model", "num_steps", "tokens_per_second",
             "n_heads", "batch_tokens",
             "vocab_size", "patch_size", "total_steps", "model_name", "peak_memory", "flops_per_token")
    table = read(f"params,loss,{','.join(usual)}\n1e6,2{',3' * len(usual)}\n2e6,1{',4' * len(usual)}\n")
    assert set(table.columns.roles) == {"params"}


def test_what_the_user_says_of_columns_comes_first():
    table = read("a,b,params,c,d2\n1e6,1,7,0.5,x\n2e6,2,7,0.4,x\n", roles={"params": "a", "seed": "b"},
                 unused=("d2",), responses=("c",), configuration=("a",))
    assert table.frame["params"].tolist() == [1e6, 2e6]
    assert (table.columns.seed, table.columns.configuration) == ("b", ("params",))
    assert table.columns.told() == "params <- a, response <- c; configuration: params; seed: b; not used: params"


def test_a_score_of_any_name_is_said_to_be_one():
    """miou of others, in percent, said by name to be a score: a law of 1 - score."""
    table = read("params,Wert\n1e6,60\n2e6,70\n", roles={"score": "Wert"})
    assert (table.frame["score"].tolist(), table.columns.responses) == ([0.6, 0.7], {"score": "Wert"})
    (one,) = responses(table.frame, "none")
    assert (one.name, one.y.tolist()) == ("1 - score", pytest.approx([0.4, 0.3]))
    beside = read("params,score,Wert\n1e6,3,60\n2e6,9,70\n", roles={"score": "Wert"})
    assert beside.columns.responses == {"score": "Wert"}


def test_a_column_that_rises_is_asked_whether_it_is_a_score():
    """Ten values that rise with params: said of a name that tells nothing, not of one that falls nor of a loss."""
    rising = "".join(f"{10**i},{0.1 * i + 0.01:.2f}\n" for i in range(10))
    told = [read(f"params,{name}\n{rising}", responses=(name,)).columns.notices for name in ("gut", "loss")]
    assert told == [("gut: rises with params, and is taken for an error, of which less is better. If it is a score: "
                     "--map score='gut' --response score",), ()]
    falling = "".join(f"{10**i},{2 - 0.1 * i:.2f}\n" for i in range(10))
    assert read(f"params,gut\n{falling}", responses=("gut",)).columns.notices == ()


def test_runs_of_several_splits_are_told_of():
    """Left-out sources, or folds: their scores are of different test parts. Of one split nothing is said."""
    text = "params,test_auroc,split_digest\n1e6,0.8,{0}\n2e6,0.7,{1}\n1e6,0.7,{0}\n"
    told = [" ".join(read(text.format("a", other)).columns.notices) for other in "ab"]
    assert ["split_digest: runs of 2 splits" in one for one in told] == [False, True]


def test_parameters_in_millions_are_seen_by_their_fractions():
    """timm writes param_count 305.08 of a network of 305 million parameters."""
    text = "model,param_count,top1\na,305.08,90.1\nb,0.37,45.5\n"
    assert "param_count: holds fractions" in read(text).columns.notices[0]
    assert "--derive 'params=param_count*1e6'" in read(text).columns.notices[0]
    made = read(text, derived={"params": "param_count*1e6"})
    assert made.frame["params"].tolist() == [305.08e6, 0.37e6]
    assert made.frame["run_id"].tolist() == ["a", "b"]
    same = read("params,loss\n1.5,1\n2,2\n", derived={"params": "params*1e6"})
    assert same.frame["params"].tolist() == [1.5e6, 2e6]
    assert read("mparams,gflops,loss\n1.5,2,1\n2,3,2\n").frame[["params", "forward_flops"]].to_numpy().tolist() == [
        [1.5e6, 2e9], [2e6, 3e9]]


def test_rows_that_differ_by_seed_alone_are_repeats_and_sample_counts_are_not():
    """SPECIFICATION's loss is a setting's name, a response called loss is none: neither makes repeats of 4 runs."""
    text = "params,tokens,loss,seed\n1e6,1e8,3,1\n1e6,1e8,3.1,2\n1e6,1e9,2.5,1\n1e7,1e9,2.2,1\n"
    for name in ("loss", "val_loss", "error"):
        table = read(text.replace("loss", name))
        assert configurations(table.frame).tolist() == [0, 0, 1, 2]
    plain = table.frame.drop(columns=["configuration", "error"]).assign(loss=[3, 3.1, 2.5, 2.2], family="a")
    assert configurations(plain).tolist() == [0, 0, 1, 2]


def test_columns_are_derived_by_arithmetic_alone():
    table = read("params,train_flops,loss\n10,600,1\n20,2400,2\n", derived={"tokens": "train_flops/6/params"})
    assert table.frame["samples_seen"].tolist() == [10, 20]
    log = read("log10 params,loss\n6,1\n7,2\n", derived={"params": "10**log10_params"})
    assert log.frame["params"].tolist() == [1e6, 1e7]
    for expression in ("__import__('os').system('true')", "params.size", "[params]", "9**9(", "params if 1 else 2",
                       "lambda: 1", "params and 1", "'a'*params", "1" * 201, "(" * 100 + "1"):
        with pytest.raises(UserError, match="--derive"):
            read("params,loss\n1,1\n", derived={"tokens": expression})


def test_flops_go_to_training_where_they_go_with_parameters_and_tokens():
    assert "train_flops" in read("params,tokens,flops,loss\n10,100,6000,1\n20,100,12000,2\n").frame
    assert "forward_flops" in read("params,tokens,flops,loss\n10,1e9,20,1\n20,1e9,40,2\n").frame
    for name, unit in (("user_attrs_flops", 1), ("config/FLOPs", 1), ("FLOPs (1e3)", 1e-3), ("flops_k", 1e-3)):
        table = read(f"params,tokens,{name},loss\n10,100,{6000 * unit},1\n20,100,{12000 * unit},2\n")
        assert table.frame["train_flops"].tolist() == pytest.approx([6000, 12000]), name


def test_names_of_other_fields_are_known():
    """Steps of an environment, datapoints of lists of published models, BLEU of translation."""
    table = read("n_params,env_steps,regret\n1e5,1e6,0.4\n1e6,1e7,0.2\n")
    assert table.frame[["samples_seen", "regret"]].to_numpy().tolist() == [[1e6, 0.4], [1e7, 0.2]]
    table = read("Parameters,Training dataset size (datapoints),BLEU,Pile xent\n1e5,1e6,21,2.5\n1e6,1e7,25,2.1\n")
    found = table.frame[["train_records", "bleu", "pile_xent"]].to_numpy().tolist()
    assert found == [[1e6, 0.21, 2.5], [1e7, 0.25, 2.1]]


def test_flops_that_no_forward_pass_takes_are_those_of_training():
    """As lists of published language models write it, with data in a column of a name of its own: 8.4e22 FLOPs for
    7e9 parameters are 1.2e13 each, where a forward pass of 4,096 tokens takes 8,192."""
    head = "Model,Model Size (B),Pretraining Data Size (T),FLOPs (1E21),acc\n"
    table = read(head + "a,7,2,84,0.4\nb,13,2,156,0.5\n")
    assert table.frame[["params", "samples_seen", "train_flops"]].iloc[0].tolist() == pytest.approx([7e9, 2e12, 8.4e22])
    without = read(head.replace("Pretraining Data Size (T)", "Corpus") + "a,7,x,84,0.4\nb,13,x,156,0.5\n")
    assert "train_flops" in without.frame
    assert any("a parameter, more than a forward pass" in said for said in without.columns.notices)
    assert "forward_flops" in read("params,flops,loss\n7e9,5.7e13,1\n13e9,1.1e14,2\n").frame


def test_multiply_adds_are_two_flops_each():
    """As tables of vision models count them."""
    for head, factor in (("gmacs", 2e9), ("MACs (G)", 2e9), ("macs", 2), ("model/GMACs", 2e9), ("board/GMACs", None)):
        table = read(f"mparams,{head},acc\n1.5,4,0.5\n2,8,0.6\n")
        found = table.frame["forward_flops"].tolist() if "forward_flops" in table.frame else None
        assert found == (None if factor is None else [4 * factor, 8 * factor]), head
    with pytest.raises(UserError, match=r"two columns mean the same: total_params, active_params"):
        read("total_params,active_params,loss\n10,5,1\n20,6,2\n")      # of experts: a law over which of them?


def test_a_score_that_falls_is_asked_whether_it_is_an_error():
    """A database's column `score` holds the metric that its row names: 1 - error would be fitted as the error."""
    rows = "".join(f"{2**i},{0.6 * 0.8**i},mae\n" for i in range(6))
    table = read("train_size,score,metric\n" + rows)
    assert any("score: falls with train_records" in said and "--map loss='score'" in said
               for said in table.columns.notices)


def test_rows_of_one_metric_or_test_are_taken_where_asked_for_and_told_of_where_not():
    text = "params,score,metric\n1,0.5,auc\n1,0.1,f1\n2,0.6,auc\n2,0.2,f1\n"
    assert any("metric: holds auc, f1, and a law over all rows mixes them" in said and "--where metric='auc'" in said
               for said in read(text).columns.notices)
    table = read(text, where={"metric": "auc"})
    assert table.frame["score"].tolist() == [0.5, 0.6]
    assert table.columns.notices == ("2 of 4 rows have metric auc: the others were not asked for",)
    with pytest.raises(UserError, match=r"metric: no row holds 'mae'. There are: auc, f1"):
        read(text, where={"metric": "mae"})


def test_d_is_samples_seen_alone_and_unique_samples_beside_t():
    assert {"params", "samples_seen"} <= set(read("N,D,loss\n1,2,3\n").frame)
    beside = read("N,D,T,loss\n1,2,4,3\n").frame
    assert (beside["train_records"][0], beside["samples_seen"][0]) == (2, 4)


def test_every_row_that_is_not_used_is_counted_with_its_reason():
    text = ("params,tokens,loss,state\n1,1,2,finished\n2,,2,finished\n3,1,,finished\n4,1,inf,finished\n"
            "5,1,-1,finished\n-6,-1,2,finished\n7,1,2,crashed\n8,1,diverged,failed\n")
    table = read(text)
    (one,) = responses(table.frame, "none")
    row = rows_used(table.frame, one, table.frame["status"].eq("finished").to_numpy())
    assert row["used"] + sum(row["left_out"].values()) == row["rows"] == 8
    assert row["left_out"] == {"crashed": 1, "failed": 1, "no loss": 1, "loss infinite": 1, "loss 0 or below": 1,
                               "no size above 0": 1}
    assert row["lacking"] == {"samples_seen": 1}
    assert told_rows(row).startswith("2 of 8 rows used for loss: left out ")
    assert any("diverged in 1 row" in notice for notice in table.columns.notices)


def test_copies_of_a_row_are_left_out_and_names_given_twice_are_numbered():
    table = read("name,params,loss\na,1,2\na,1,2\nb,2,1\nb,3,1\n")
    assert table.frame["run_id"].tolist() == ["a", "b", "b#2"]
    assert len(table.columns.notices) == 2


APART, AS_ONE = "Re\u0301seau", "R\u00e9seau"          # one name in both Unicode forms


@pytest.mark.parametrize("save", ["csv", "parquet", "frame"])
def test_names_are_the_same_in_either_unicode_form(save, tmp_path):
    """Of runs, families and columns: macOS writes an accent apart. In capitals or not they are two."""
    frame = pd.DataFrame({"run_id": [APART, AS_ONE, AS_ONE.lower()], "family": [AS_ONE, APART, "other"],
                          "params": [1.0, 2.0, 3.0], f"{APART} loss": [3.0, 2.0, 1.0]})
    if save != "frame":
        getattr(frame, f"to_{save}")(tmp_path / f"runs.{save}", index=False)
    table = read_any(frame if save == "frame" else tmp_path / f"runs.{save}",
                     Reading(responses=(f"{APART} loss",), where={"family": APART}))
    assert table.frame["run_id"].tolist() == [AS_ONE, f"{AS_ONE}#2"]
    assert table.frame["family"].unique().tolist() == [AS_ONE]
    assert list(table.columns.responses.values()) == [f"{AS_ONE} loss"]
    assert any("1 row(s) share it with an earlier one" in said for said in table.columns.notices)
    assert read_any(frame).frame["run_id"].tolist() == [AS_ONE, f"{AS_ONE}#2", AS_ONE.lower()]


OURS = ASSETS / "examples" / "runs.csv"


@pytest.mark.parametrize("save", [
    lambda frame, path: frame.to_csv(path, index=False),
    lambda frame, path: frame.to_csv(path),
    lambda frame, path: frame.to_csv(path, index=False, sep=";", decimal=","),
    lambda frame, path: frame.to_csv(path, index=False, na_rep="NA", encoding="utf-8-sig", lineterminator="\r\n"),
    lambda frame, path: frame.replace({True: "TRUE", False: "FALSE"}).to_csv(path, index=False, na_rep="NA"),
    lambda frame, path: frame.to_parquet(path),
], ids=["pandas", "with index", "European", "Excel", "R", "Parquet"])
def test_a_run_table_of_ours_that_others_saved_is_read_again(tmp_path, save):
    original = read_runs(OURS).frame
    path = tmp_path / f"again.{'parquet' if save.__code__.co_names[-1] == 'to_parquet' else 'csv'}"
    save(original, path)
    again = read_runs(path)
    assert set(RUNS.columns) <= set(again.frame)
    for name in ("params", "samples_seen", "test_challenge_score", "hp_depth", "synthetic"):
        np.testing.assert_allclose(again.frame[name].astype(float), original[name].astype(float))
    assert again.frame["loss"].tolist() == original["loss"].tolist()
    pd.testing.assert_series_equal(again.frame["run_id"], original["run_id"])
    np.testing.assert_array_equal(configurations(again.frame), configurations(original))


def test_a_run_table_of_the_old_form_says_how_to_renew_it():
    ours = OURS.read_text(encoding="utf-8")
    old, new = (run_table(parsed(text, Path("runs.csv"), [])) for text in (f"# {RUNS.schema_id()}\n{ours}", ours))
    pd.testing.assert_frame_equal(old.frame, new.frame)
    assert [notice for notice in old.columns.notices if "delete that line to renew it" in notice]
    assert new.columns.notices == ()


def test_columns_of_lists_structures_and_bytes_are_left_out_with_a_word(tmp_path):
    frame = pd.DataFrame({"params": [1e3, 1e4, 1e5], "loss": [3.0, 2.5, 2.2], "losses": [[3.1, 3.0], [2.5], None],
                          "about": [{"a": 1}] * 3, "digest": [b"\xff"] * 3})
    frame.to_parquet(tmp_path / "runs.parquet")
    table = read_runs(tmp_path / "runs.parquet")
    assert table.frame["params"].tolist() == [1e3, 1e4, 1e5]
    assert "columns of lists, structures or bytes left out: 'losses', 'about', 'digest'" in table.columns.notices


def test_many_comments_are_left_out_one_by_one():
    """Sixty thousand of them took minutes."""
    table = read("params,loss\n" + "# a note\n1e3,2.5\n" * 60_000)
    assert len(table.frame) == 60_000
    assert "60000 line(s) of comment left out" in table.columns.notices


@pytest.mark.parametrize("save", [pd.DataFrame.to_csv, pd.DataFrame.to_parquet])
def test_a_table_of_very_many_columns_is_refused(tmp_path, save):
    save(pd.DataFrame(1.0, index=[0], columns=[f"c{number}" for number in range(2100)]), tmp_path / "runs")
    with pytest.raises(UserError, match=r"has 210\d columns, at most 2000 are read"):
        read_runs(tmp_path / "runs")


def test_a_pivot_table_is_told_to_be_one():
    """Model sizes down, tokens across, losses in the cells: nothing names a loss."""
    with pytest.raises(UserError, match=r"The header holds sizes \(1e9, 2e9, 4B\): give a row a run, as pandas.melt"):
        read("N,1e9,2e9,4B\n1e7,3.1,3.0,2.9\n1e8,2.9,2.8,2.7\n")
    with pytest.raises(UserError, match="Name a size") as refused:
        read("N,quality\n1e7,3.1\n1e8,2.9\n")
    assert "pandas.melt" not in str(refused.value)


@pytest.mark.parametrize(("low", "high", "rows"), [
    ([0.91, 0.92, 0.93], [0.7, 0.8, 0.9], 3),       # ends that were exchanged
    ([0.7, 0.8, 0.9], [91, 92, 93], 0),             # one end in percent: the score still lies between
    ([0.007, 0.008, 0.009], [0.0091, 0.0092, 0.0093], 3)])
def test_a_score_outside_its_interval_is_told(low, high, rows):
    """Of [0.8, 0.85, 0.91]. A single one may leave the interval of its draws, as two of assets/examples/runs.csv do."""
    lines = [f"{1e5 * 10**k:g},{score},{below},{above}\n" for k, (score, below, above) in enumerate(
        zip((0.8, 0.85, 0.91), low, high, strict=True))]
    notices = read("params,auroc,auroc_low,auroc_high\n" + "".join(lines)).columns.notices
    told = [one for one in notices if "outside its interval" in one]
    assert told == ([f"auroc: outside its interval, auroc_low to auroc_high, in {rows} row(s): were columns exchanged, "
                     "or is one in another unit?"] if rows else [])
    assert not any("outside" in one for one in read_runs(ASSETS / "examples/runs.csv").columns.notices)


def test_what_is_to_be_said_of_a_table_reaches_commands_that_print_no_summary(tmp_path, capsys):
    """ecg-deploy, ecg-next, ecg-scale and ecg-merge left doubled rows out, and read percent, without a word."""
    (tmp_path / "runs.csv").write_text("name,params,accuracy\na,1e5,50\nb,1e6,62\nb,1e6,62\n")
    assert len(read_telling(tmp_path / "runs.csv").frame) == 2
    told = capsys.readouterr().err.splitlines()
    assert told == [f"{tmp_path / 'runs.csv'}: {one}" for one in (
        "accuracy: 50 to 62, taken for percent", "1 row(s) repeat another one in every column: left out")]


def test_a_d_that_is_the_tokens_again_counts_no_unique_samples():
    """A public table of 261 runs has D beside train_tokens, equal in every row: it was read as unique samples, and a
    budget told epochs of them. One that is less in some row is what D beside T is."""
    text = "N,D,train_tokens,loss\n1e6,1e9,1000000512,3\n2e6,2e9,2e9,2.8\n4e6,{},4e9,2.6\n"
    same = read(text.format("4e9"))
    assert "train_records" not in same.frame
    assert same.frame["samples_seen"].tolist() == [1000000512, 2e9, 4e9]
    assert "D: as train_tokens in every row, so no count of unique samples" in same.columns.notices
    assert read(text.format("1e9")).frame["train_records"].tolist() == [1e9, 2e9, 1e9]


def test_a_column_that_may_hold_a_size_is_told_where_none_was_read():
    """params_active_precise beside tokens: a law over tokens alone pooled 22 networks without a word of it."""
    told = read("params_active_precise,tokens,params_per_layer,loss\n1e6,1e9,7,3\n2e6,2e9,8,2\n").columns.notices
    assert told == ("no column was taken for params, and params_active_precise may hold it: "
                    "--map params='params_active_precise'",)
    assert not read("params,params_embedding,tokens,loss\n1e6,1e5,1e9,3\n2e6,2e5,2e9,2\n").columns.notices


CHECKPOINTS = pd.DataFrame({"run_name": ["a", "a", "b", "b", "c"], "params": [1e6, 1e6, 2e6, 2e6, 4e6],
                            "tokens": [1e9, 2e9, 1e9, 2e9, 1e9], "step": [1, 2, 1, 2, 1],
                            "loss": [3, 2.9, 2.8, 2.7, 2]})


def test_rows_of_one_name_that_differ_by_how_far_a_run_had_trained_are_its_checkpoints():
    table = run_table(Sheet.of(CHECKPOINTS))
    assert table.frame["run_id"].tolist() == ["a", "a#2", "b", "b#2", "c"]
    assert table.frame["whole_run"].tolist() == ["a", "a", "b", "b", "c"]
    assert "whole_run" not in table.columns.configuration
    assert table.columns.notices == (
        "run_name: 2 row(s) share it with an earlier one, and differ by how far the run had trained: taken for 3 runs "
        "at several checkpoints each. Of runs that were trained apart: --map unused='run_name'",)
    apart = run_table(Sheet.of(CHECKPOINTS), Reading(unused=("run_name",)))
    assert "whole_run" not in apart.frame


@pytest.mark.parametrize("other", [{"params": [1e6, 2e6, 4e6, 8e6, 4e6]}, {"lr": [1e-3, 2e-3, 1e-3, 2e-3, 1e-3]},
                                   {"seed": [1, 2, 1, 2, 1]}, {"tokens": 1e9}])
def test_rows_of_one_name_that_differ_in_what_defines_a_run_are_runs_each(other):
    table = run_table(Sheet.of(CHECKPOINTS.assign(**other)))
    assert "whole_run" not in table.frame
    assert table.columns.notices == ("run_name: 2 row(s) share it with an earlier one; numbered",)


def test_a_score_or_loss_that_stands_twice_is_looked_at_once():
    """A public table has loss and C4 Eval Loss, equal in every row: each law was fitted and told twice."""
    table = read("params,loss,C4 Eval Loss,val_loss\n1e6,3,3,4\n2e6,2,2,3\n")
    assert list(table.columns.responses) == ["loss", "val_loss"]
    assert table.columns.notices == ("C4 Eval Loss: as loss in every row, looked at once",)
    asked = read("params,loss,C4 Eval Loss\n1e6,3,3\n2e6,2,2\n", responses=("C4 Eval Loss",))
    assert list(asked.columns.responses) == ["c4_eval_loss"]


def test_a_score_of_points_is_not_taken_for_percent_without_asking():
    """Mutual information in bits, up to 3.6 (public tables of cells): taken for percent, its law was one of
    1 - bits / 100. Of several scores that nobody asked for it is said."""
    text = "params,bits_score{}\n1e6,0.4{}\n2e6,1.9{}\n4e6,3.6{}\n"
    with pytest.raises(UserError, match="is this percent") as asked:
        read(text.format(*[""] * 4))
    assert "--derive" in asked.value.remedy
    two = read(text.format(",auroc", ",0.7", ",0.8", ",0.9"))
    assert two.columns.notices == ("bits_score: 0.4 to 3.6, taken for percent",)
    derived = read(text.format(*[""] * 4), derived={"lacking": "4-bits_score"}, responses=("lacking",))
    assert derived.frame["lacking"].tolist() == pytest.approx([3.6, 2.1, 0.4])


def test_where_no_run_finished_the_way_to_use_them_all_is_told():
    """61 of 67 runs of a public sweep failed after their last value was logged, as W&B has it, and 6 crashed."""
    table = read("Name,State,params,loss\na,failed,1e6,3\nb,crashed,2e6,2\n")
    assert table.columns.notices == ("State: no run finished (crashed, failed), so none is used. To use them all: "
                                     "--map unused='State'",)


def test_a_column_of_which_each_word_stands_once_at_every_place_is_one_of_tests():
    """A public table of 266 rows has a raw and a scaled loss at each of 133 places, told apart by `condition`: a law
    over all rows mixed them without a word. A setting that was tried at some places is none."""
    rows = [(size, how, 3 - size / 1e7 + (how == "scaled")) for size in range(1_000_000, 9_000_000, 1_000_000)
            for how in ("raw", "scaled")]
    frame = pd.DataFrame(rows, columns=["params", "condition", "loss"])
    assert run_table(Sheet.of(frame)).columns.notices == (
        "condition: holds raw, scaled, and a law over all rows mixes them. For one of them: --where condition='raw'",)
    assert not run_table(Sheet.of(frame.iloc[1:])).columns.notices
    assert not run_table(Sheet.of(frame), Reading(where={"condition": "raw"})).columns.notices[1:]


def test_sizes_that_arithmetic_left_a_last_digit_apart_are_one_size():
    """A public table of evaluations has FLOPs of one network twice, 12.3e9 and 3 x 4.1 x 1e9: laws over them ended in a
    traceback, and a place was two."""
    table = run_table(Sheet.of(pd.DataFrame({"flops": [12.3e9, 3 * 4.1 * 1e9, 9e9], "loss": [3.0, 2.9, 3.1]})))
    assert 12.3e9 != 3 * 4.1 * 1e9
    assert table.frame["forward_flops"].tolist() == [12.3e9, 12.3e9, 9e9]


def test_total_and_dense_parameters_of_routed_networks_are_asked_about():
    """A public table of 223 routed language models counts both: the total was taken, of which few are used a token."""
    with pytest.raises(UserError, match="two columns mean the same: total_parameter_count, dense_parameter_count"):
        read("total_parameter_count,dense_parameter_count,loss\n4e8,4e8,3\n8e9,4e8,2\n")


def logged(**more) -> pd.DataFrame:
    rows = [(size, step, 9 * size**-0.1 + step**-0.5) for size in (1e6, 1e7, 1e8) for step in (100.0, 200.0, 300.0)]
    return pd.DataFrame(rows, columns=["params", "step", "val_loss"]).assign(**more)


def test_rows_of_a_log_of_many_runs_are_said_to_be_checkpoints():
    """That table has a row every 10,000 steps from step 0 on: a law of all of them was told as identified. Where a
    column counts samples, or a run has its last step alone, nothing is said."""
    (said,) = run_table(Sheet.of(logged())).columns.notices
    assert said.startswith("step: rows of the same params differ in it, so they look like checkpoints")
    assert "--map samples_seen='step'" in said
    assert "--where step=300" in said
    for frame in (logged(tokens=lambda table: table["step"] * 1e4), logged()[logged()["step"] == 300]):
        assert not any("checkpoints" in said for said in run_table(Sheet.of(frame)).columns.notices)
    mapped = run_table(Sheet.of(logged()), Reading(roles={"samples_seen": "step"}))
    assert not mapped.columns.notices


def test_repeats_are_told_by_rep_and_a_second_name_of_the_seed_is_no_setting():
    """A public table of claims models has `rep` 1 to 3 beside `seed` 1 to 3: no run was a repeat of another."""
    text = "n_train,rep{},test_deviance\n1e4,1{},3\n1e4,2{},2.9\n2e4,1{},2\n2e4,2{},2.1\n"
    beside = read(text.format(",seed", *[",11", ",12"] * 2))
    assert beside.columns.seed == "seed"
    assert beside.columns.configuration == ("train_records",)
    assert read(text.format(*[""] * 5)).columns.seed == "rep"
    assert list(beside.columns.responses) == ["test_deviance"]


def test_another_benchmark_is_no_setting_and_a_grid_of_fractions_is_one():
    """Public leaderboards have a column a benchmark: HumanEval, of whose values a third repeat by chance, defined the
    configuration and so helped to predict MMLU."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"params": np.geomspace(1e6, 1e9, 150), "accuracy": 0.5 + random.random(150) / 3,
                          "Benchmark": np.round(random.gamma(2, 8, 150)) / 64, "share": np.tile(np.arange(30) / 30, 5)})
    assert frame["Benchmark"].nunique() < 75
    assert run_table(Sheet.of(frame)).columns.configuration == ("params", "share")


def test_a_score_without_a_value_is_not_looked_at():
    """A public table of segmentations has image_acc, empty in each of 1,431 rows: fronts and predictor took it."""
    table = read("params,image_acc,miou\n1e6,,0.3\n2e6,,0.4\n")
    assert list(table.columns.responses) == ["miou"]
    assert score_of(table.frame, "asked") == "miou"


@pytest.mark.parametrize("text", ['{"n_params": 1, "loss": 2}\n{"n_params": 2, "loss": 1}\n',
                                  '[\n {"n_params": 1, "loss": 2}]'])
def test_records_of_json_are_no_table(text):
    """JSON lines under the name of a CSV were columns by the commas of their first line."""
    with pytest.raises(UserError, match=r"table\.csv: JSON, not a table") as refused:
        read(text)
    assert "json_normalize" in refused.value.remedy


def test_the_mean_before_a_plus_minus_is_read():
    """As papers write their tables: any such column was refused as no loss at all."""
    table = read("params,WER (%)\n1e6,12.5 ± 0.3\n2e6,11 +/- .25\n4e6,10+-1e-1\n")
    assert table.frame["wer"].tolist() == pytest.approx([0.125, 0.11, 0.1])
    assert "WER (%): the mean is read in 3 row(s), what is behind ± is not" in table.columns.notices
    assert read("params;acc\n1e6;85,5 % ± 2 %\n2e6;87 ± 1,5 %\n").frame["acc"].tolist() == pytest.approx([0.855, 0.87])
    with pytest.raises(UserError, match="acc: '1  "):        # at once: a cell of blanks took the square of them
        read(f"params,acc\n1e6,0.5\n2e6,1{' ' * 100_000}x\n")


@pytest.mark.parametrize(("text", "said"), [
    ("Params,loss\n~1M,3\n~2M,2\n", "Params: is called a size and holds no number: '~1M'"),
    ("params,Val loss\n1e6,3.1 (0.2)\n2e6,2.2 (0.1)\n",
     "Val loss: is called a score or loss and holds no number: '3.1 (0.2)'")])
def test_a_column_of_words_is_told_by_its_cell(text, said):
    """That no column was known as a size was said, and Params understood as one in the same message."""
    with pytest.raises(UserError) as refused:
        read(text)
    assert said in str(refused.value)


def test_a_table_of_markdown_is_read():
    """A public list of speech models is one: its line of dashes was a word in a column of numbers."""
    table = read("| Model | Params (M) | Loss |\n|:------|-----------:|:----:|\n| a | 1 | 3.5 |\n| b | 2 | - |\n")
    assert table.frame["params"].tolist() == [1e6, 2e6]
    assert table.frame["loss"].tolist() == pytest.approx([3.5, np.nan], nan_ok=True)
    assert table.frame["run_id"].tolist() == ["a", "b"]


@pytest.mark.parametrize(("written", "role", "factor"), [
    ("gmacs_total", "train_flops", 2e9), ("Train MACs (G)", "train_flops", 2e9), ("FLOPs total", "train_flops", 1),
    ("params_total", "params", 1), ("GMACs", "forward_flops", 2e9), ("total_loss", None, 1)])
def test_a_total_stands_before_or_behind(written, role, factor):
    """A public table of image-text models has gmacs and gmacs_total: a law of compute was not asked."""
    assert (understand(written).role, understand(written).factor) == (role, factor)


def test_a_score_that_is_the_same_at_every_place_was_set():
    """A public table has Q_score, the quality of the data, 0.1 to 1.0 at each N and D: a law of 1 - Q_score was told,
    fronts and predictor looked at it, and D_tokens_B was no size."""
    rows = [(n, d, q, 2 + n**-0.3 + d**-0.3 - q / 5) for n in (0.07, 0.16) for d in (10, 50) for q in (0.1, 0.5, 1.0)]
    frame = pd.DataFrame(rows, columns=["N_params_B", "D_tokens_B", "Q_score", "val_loss"])
    table = run_table(Sheet.of(frame))
    assert list(table.columns.responses) == ["val_loss"]
    assert table.columns.configuration == ("params", "samples_seen", "q_score_")
    assert any(said.startswith("Q_score: the same 3 values at every place") for said in table.columns.notices)
    assert table.frame["samples_seen"].max() == 5e10
    asked = run_table(Sheet.of(frame), Reading(responses=("Q_score",)))
    assert list(asked.columns.responses) == ["q_score"]
    frame.loc[0, "Q_score"] = 0.2
    assert "q_score" in run_table(Sheet.of(frame)).columns.responses
