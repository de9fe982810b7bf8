"""Learning curves as people write them: the right columns by name, and a question where names do not tell."""

from pathlib import Path

import numpy as np
import pytest

from ecgscale.errors import UserError
from ecgscale.tables.curves import curve, read_curve
from ecgscale.tables.delimited import parsed

X, Y = [1000.0, 2000.0, 4000.0, 8000.0], [0.8, 0.7, 0.6, 0.55]


def read(head: str, rows: str, **named):
    """rows: a line's fields by the names i, x, y, e.g. "{i},{x},{y}"."""
    lines = [rows.format(i=i, x=f"{x:g}", y=f"{y:g}", a=f"{1 - y:g}", p=f"{100 * (1 - y):g}")
             for i, (x, y) in enumerate(zip(X, Y, strict=True))]
    return curve(parsed("\n".join([*([head] if head else []), *lines]) + "\n", Path("curve.csv"), []), **named)


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
    ("params,tokens,loss", "5,{x},{y}", "which column is the size. It may be params or tokens.*--x params"),
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


def test_scores_are_told_in_their_own_scale():
    found = read("tokens,accuracy (in percent)", "{x},{p}")
    np.testing.assert_allclose(found.told(found.y), [20, 30, 40, 45])


def test_a_first_step_of_zero_and_empty_losses_are_left_out_and_counted():
    text = "step,loss\n0,3\n1,2\n2,\n4,1.5\n"
    found = curve(parsed(text, Path("curve.csv"), []))
    assert found.x.tolist() == [1, 4]
    assert any("2 of 4 rows used" in line for line in found.what)


def test_two_curves_in_one_file_are_not_taken_for_one_in_silence(tmp_path):
    rows = [f"{run},{size},{loss + size**-0.3}" for run, loss in (("a", 1), ("b", 2)) for size in (1, 2, 4, 8, 16)]
    (tmp_path / "c.csv").write_text("\n".join(["run,step,loss", *rows]) + "\n")
    assert read_curve(tmp_path / "c.csv").what[1:] == (
        "columns that are not used: 'run'", "5 of 10 rows repeat a size: taken as one curve, measured more than once")
