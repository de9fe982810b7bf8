"""Learning curves as people write them: the right columns by name, and a question where names do not tell."""

from pathlib import Path

import numpy as np
import pytest

from ecgscale.errors import UserError
from ecgscale.tables.curves import Asked, curve
from ecgscale.tables.delimited import parsed

X, Y = [1000.0, 2000.0, 4000.0, 8000.0], [0.8, 0.7, 0.6, 0.55]


def read(head: str, rows: str, **named):
    """rows: a line's fields by the names i, x, y, e.g. "{i},{x},{y}"."""
    lines = [rows.format(i=i, x=f"{x:g}", y=f"{y:g}", a=f"{1 - y:g}", p=f"{100 * (1 - y):g}")
             for i, (x, y) in enumerate(zip(X, Y, strict=True))]
    return curve(parsed("\n".join([*([head] if head else []), *lines]) + "\n", Path("curve.csv"), []), Asked(**named))


@pytest.mark.parametrize(("head", "rows"), [
    ("size,loss", "{x},{y}"), ("loss,size", "{y},{x}"), ("seed,tokens,loss", "7,{x},{y}"),
    (",step,val/loss", "{i},{x},{y}"), ("Wall time,Step,Value", "1700000000.{i},{x},{y}"),
    ("Step,run-a - loss", "{x},{y}"), ("n;Fehler", "{x};{y}"), ("run,samples seen,what", "a,{x},{y}"),
    ("size,loss", "{x},{y},"), ("size\terror", "{x}\t{y}"),
    ("epoch,lr,test_loss", "{x},0.1,{y}"), ("tokens,accuracy", "{x},{a}"), ("tokens,val_acc", "{x},{p}"),
    ("tokens,top1 (%)", "{x},{p}"), ("tokens,acc", "{x},{p}%"),
], ids=range(15))
def test_size_and_loss_are_found_by_name(head, rows):
    found = read(head, rows)
    np.testing.assert_allclose(found.x, X)
    np.testing.assert_allclose(found.y, Y, rtol=1e-4)
    assert any("<-" in line for line in found.what)


@pytest.mark.parametrize(("head", "rows", "said"), [
    ("params,tokens,loss", "5{i},{x},{y}", "which column is the size. It may be params or tokens.*--x params"),
    ("size,train_loss,val_loss", "{x},{y},{y}", "which column is the loss. It may be train_loss or val_loss.*--y"),
    ("a,b,e", "{i},{x},{y}", "which column is the size.*a, b, e"),
    ("size", "{x}", "fewer than two columns of numbers"),
    ("step,reward", "{x},{a}", "rises with step: is it a score"),
    ("", "{x},{y}", "there is no header"),
    ("size,accuracy", "{x},{x}", "no score below 1"),
    ("size,loss", "-{x},{y}", ":2|line 2|-1000 is not a positive number"),
])
def test_in_doubt_the_choices_are_listed(head, rows, said):
    with pytest.raises(UserError, match=said):
        read(head, rows)


def test_columns_that_are_named_are_taken():
    found = read("params,tokens,train_loss,loss", "5,{x},1,{y}", x="tokens", y="loss")
    np.testing.assert_allclose((found.x, found.y), (X, Y))


def test_a_column_that_is_not_there_is_no_other_one_of_its_script():
    """Of names without a letter of A to Z nothing was left to compare: any was taken for any other."""
    found = read("\u5927\u5c0f,\u640d\u5931,z", "{x},{y},1", x="\u5927\u5c0f", y="\u640d\u5931")
    np.testing.assert_allclose(found.x, X)
    with pytest.raises(UserError, match="no such column"):
        read("\u5927\u5c0f,\u640d\u5931,z", "{x},{y},1", x="\u5927\u5c0f", y="\u7cbe\u5ea6")


def test_scores_are_told_in_their_own_scale():
    found = read("tokens,accuracy (in percent)", "{x},{p}")
    np.testing.assert_allclose(found.told(found.y), [20, 30, 40, 45])


@pytest.mark.parametrize("step", ["step", "tokens"])
def test_a_first_step_of_zero_and_empty_losses_are_left_out_and_counted(step):
    text = f"{step},loss\n0,3\n1,2\n2,\n4,1.5\n"
    found = curve(parsed(text, Path("curve.csv"), []))
    assert found.x.tolist() == [1, 4]
    assert any(f"2 of 4 rows used: 1 at {step} 0, which has no logarithm" in line for line in found.what)
    assert any("1 without one of them" in line for line in found.what)


def several(**columns):
    """Three curves of X in one file, told apart by what `columns` (name -> three values) holds; in a file's text."""
    head = ",".join((*columns, "size_train", "score_test"))
    rows = [",".join((*(values[i] for values in columns.values()), f"{x:g}", f"{1 - y - i / 100:g}"))
            for i in range(3) for x, y in zip(X, Y, strict=True)]
    return parsed("\n".join((head, *rows)) + "\n", Path("curve.csv"), [])


def test_of_several_curves_in_one_file_one_is_asked_for():
    """As learning-curve databases and trackers write them: pooled, they are a curve that nobody measured."""
    sheet = several(learner=["SVC", "tree", "kNN"], depth=["1", "2", "3"])
    with pytest.raises(UserError, match=r"several curves.*learner \(SVC, tree, kNN\), depth.*learner=SVC depth=1"):
        curve(sheet)
    found = curve(sheet, Asked(where={"learner": "tree"}))
    np.testing.assert_allclose(found.y, np.array(Y) + 0.01)
    with pytest.raises(UserError, match=r"learner: no row holds 'tee'. There are: SVC, tree, kNN"):
        curve(sheet, Asked(where={"learner": "tee"}))


@pytest.mark.parametrize(("name", "said"), [("seed", None), ("fold", None), ("draw", "draw")])
def test_rows_of_one_size_that_differ_in_a_seed_are_repeats(name, said):
    found = curve(several(**{name: ["0", "1", "2"]}), Asked(seed=said))
    assert len(found.y) == 12
    assert f"columns that are not used: '{name}'" in found.what
    assert any(f"12 rows at 4 sizes, taken for repeats of one curve that differ in {name}" in line
               for line in found.what)


def test_a_row_a_curve_is_read_by_the_sizes_that_name_its_columns():
    text = "learner,16,32,64,128\nSVC,0.5,0.6,0.7,0.75\ntree,0.4,0.5,0.55,0.6\n"
    found = curve(parsed(text, Path("curve.csv"), []), Asked(holds="score", where={"learner": "tree"}))
    assert found.x.tolist() == [16, 32, 64, 128]
    np.testing.assert_allclose(found.y, [0.6, 0.5, 0.45, 0.4])


def test_a_size_that_does_not_change_is_the_model_s():
    assert read("n_params,step,loss", "5,{x},{y}").x.tolist() == X


def test_a_score_may_begin_at_or_below_0_and_an_error_may_be_called_score():
    """R2 of a model of ten samples is negative, and a first epoch may get nothing right; a database's column `score`
    holds whatever metric its row names."""
    text = "epoch,acc\n1,-0.2\n2,0\n4,0.5\n8,0.6\n"
    np.testing.assert_allclose(curve(parsed(text, Path("curve.csv"), [])).y, [1.2, 1, 0.5, 0.4])
    with pytest.raises(UserError, match=r"falls with size: is it an error.*--y score --as loss"):
        read("size,score", "{x},{y}")
    np.testing.assert_allclose(read("size,score", "{x},{y}", holds="loss").y, Y)
    np.testing.assert_allclose(read("step,reward", "{x},{a}", holds="score").y, Y, rtol=1e-4)


@pytest.mark.parametrize(("head", "said"), [("step,loss", "ends below"), ("Epoch,accuracy", "ends above"),
                                            ("tokens,loss", ""), ("size,loss", "")])
def test_of_the_log_of_one_run_it_is_said_what_a_falling_rate_does(head, said):
    """Public logs of routed language models and of image-text models, continued from half their steps: 210 of 246 ended
    beyond their interval, all on one side."""
    rows = "".join(f"{x:g},{1 - y if said == 'ends above' else y}\n" for x, y in zip(X, Y, strict=True))
    found = [line for line in curve(parsed(f"{head}\n{rows}", Path("curve.csv"), [])).what if "log of one run" in line]
    assert len(found) == bool(said)
    assert all(said in line for line in found)


def test_spreads_behind_the_values_are_told():
    rows = "".join(f"{x:g},{y} ± 0.01\n" for x, y in zip(X, Y, strict=True))
    found = curve(parsed(f"size,loss\n{rows}", Path("curve.csv"), []))
    np.testing.assert_allclose(found.y, Y)
    assert f"loss: the mean is read in {len(Y)} row(s), what is behind ± is not" in found.what
