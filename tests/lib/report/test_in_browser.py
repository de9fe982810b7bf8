"""The page in a browser: figures are drawn, what is marked or filtered in one is so in all, nothing complains or calls.

Reference: Chromium itself, of Debian's package; the page's own pictures are looked at by size and colour.
"""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ecgscale.numbers import number
from ecgscale.report import compact, page
from ecgscale.report.explore import size_of
from ecgscale.report.inputs import Inputs
from tests.browser import CHROMIUM, PATIENCE, Page
from tests.lib.report.test_page import make_inputs, run_table

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt install chromium)")
HIDDEN = "[document.getElementById('tip').hidden, document.getElementById('ring').hidden]"
SHOWN = "[...document.querySelectorAll('#explorer tbody tr')].map(row => +row.dataset.run)"


# titles of axes that reach beyond their figure, by figure
CUT_TITLES = """[...document.querySelectorAll('figure.interactive .live svg')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('.role-axis-title text')].filter(title => {
    const at = title.getBoundingClientRect();
    return at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 || at.bottom > box.bottom + 1;
  }).map(title => `${svg.closest('figure').id}: ${title.textContent}`);
})"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Page(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(page, "picture", lambda *_: "data:,")       # stills have tests of their own
        page.write(make_inputs(), folder)
    browser.open(folder / "report.html")
    browser.ask("ecgscale.draw().then(() => 0)")
    return browser


def quiet(browser) -> None:
    """No figure failed, nothing was said to the console, and no address but the page's own was asked for."""
    assert browser.ask("ecgscale.errors") == []
    assert browser.complaints == []
    assert [one for one in browser.requests if not one.startswith(("file://", "data:"))] == []


def test_every_figure_is_drawn_and_nothing_is_asked_of_the_network(opened):
    quiet(opened)
    drawn = opened.ask("Object.fromEntries([...document.querySelectorAll('figure.interactive')].map(one => "
                       "[one.id, one.querySelectorAll('.live svg path, .live canvas').length]))")
    assert set(drawn) == {f"figure-{name}" for name in (
        "laws", "fronts", "qualities", "predictions", "latency-runtime", "latency-size", "learning", "diagnoses",
        "calibration", "effects", "importance", "dependence", "scores", "device-orders")}
    assert all(count > 5 for count in drawn.values()), drawn


def show_fronts(opened, place: int) -> None:
    """Choose one of the fronts' views and wait for its drawing."""
    opened.ask("(() => { const figure = document.getElementById('figure-fronts'); delete figure.dataset.drawn; "
               f"const one = figure.querySelector('select'); one.selectedIndex = {place}; "
               "one.dispatchEvent(new Event('change')); })()")
    opened.until("document.getElementById('figure-fronts').dataset.drawn === "
                 "document.querySelector('#figure-fronts select').value")


def test_every_setting_of_a_switch_draws(opened):
    for place in range(opened.ask("document.querySelector('#figure-fronts select').options.length")):
        show_fronts(opened, place)
    opened.ask("ecgscale.draw().then(() => 0)")
    quiet(opened)


def test_a_run_marked_in_one_figure_is_marked_in_all_and_in_the_table(opened):
    opened.ask("ecgscale.mark([3, 5], false)")
    assert opened.ask("[...ecgscale.drawn.values()].map(one => Object.keys(one.view.signal('marked')).join())") == [
        "3,5"] * 14
    assert opened.ask(f"{SHOWN}.slice(0, 2)") == [3, 5]
    assert opened.ask("document.querySelectorAll('#explorer tr.marked').length") == 2
    assert opened.ask("document.getElementById('told').textContent") == "24 of 24 runs, 2 marked"
    opened.ask("dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    assert opened.ask("ecgscale.state.marked.size") == 0


def test_a_rectangle_over_points_marks_them(opened):
    """Dragged over the whole of a figure it marks every run that is drawn there."""
    opened.ask("document.getElementById('figure-predictions').scrollIntoView("
               "{behavior: 'instant', block: 'center'})")
    box = opened.ask("(() => { const one = document.querySelector('#figure-predictions .live svg')"
                     ".getBoundingClientRect(); return [one.left, one.top, one.right, one.bottom]; })()")
    start, end = (box[0] + 90, box[1] + 40), (box[2] - 30, box[3] - 110)
    within = (start[0] + 40, start[1] + 40)
    for kind, (x, y), button in (("mouseMoved", within, "none"), ("mouseMoved", start, "none"),
                                 ("mousePressed", start, "left"), ("mouseMoved", within, "left"),
                                 ("mouseMoved", end, "left"), ("mouseReleased", end, "left")):
        opened("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1,
               buttons=int(button == "left"))
        opened.ask("new Promise(done => setTimeout(done, 50))")
    opened.until("ecgscale.state.marked.size > 10")
    opened.ask("ecgscale.mark([], false)")


def test_a_line_that_is_clicked_marks_its_run(opened):
    """Where the first run's planted validation loss stands after its last epoch but one."""
    opened.ask("document.getElementById('figure-learning').scrollIntoView({behavior: 'instant', block: 'center'})")
    row = opened.ask("ecgscale.drawn.get('learning').sets.history.find(row => row.x === 5)")
    x, y = opened.ask(
        "(() => { const view = ecgscale.drawn.get('learning').view, [left, top] = view.origin(), pad = view.padding(), "
        "box = document.querySelector('#figure-learning .live svg').getBoundingClientRect(); return ["
        f"box.left + pad.left + left + view.scale('x')({row['x']}), "
        f"box.top + pad.top + top + view.scale('y')({row['valid_loss']})]; }})()")
    for kind, button in (("mouseMoved", "none"), ("mousePressed", "left"), ("mouseReleased", "left")):
        opened("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1,
               buttons=int(kind == "mousePressed"))
    opened.until("ecgscale.state.marked.size > 0")
    assert opened.ask("[...ecgscale.state.marked]") == [row["run"]]
    opened.ask("ecgscale.mark([], false)")


def press(opened, key) -> list:
    """A key of the keyboard; what the tip says after it, whether the tip and its ring are hidden."""
    for kind in ("keyDown", "keyUp"):
        opened("Input.dispatchKeyEvent", type=kind, key=key)
    return opened.ask("[document.getElementById('tip').textContent, document.getElementById('tip').hidden, "
                      "document.getElementById('ring').hidden]")


def test_points_are_reached_by_keyboard(opened):
    """Arrow keys go from left to right, tell the run's facts, and Enter marks it."""
    show_fronts(opened, 0)
    opened.ask("document.querySelector('#figure-fronts .live').focus()")

    costs = make_inputs().frontier.query("axes == 'score~forward_flops' and group.str.startswith('optimizer=')")
    names = costs.sort_values("x")["run_id"].tolist()
    for name, key in ((names[0], "ArrowRight"), (names[1], "ArrowRight"), (names[0], "ArrowLeft"), (names[-1], "End")):
        text, *hidden = press(opened, key)
        assert name in text
        assert hidden == [False, False]
    press(opened, "Enter")
    marked = opened.ask("[...ecgscale.state.marked]")
    assert [make_inputs().ranked["run_id"][run] for run in marked] == [names[-1]]
    opened.ask("document.activeElement.blur()")
    assert opened.ask(HIDDEN) == [True, True]
    opened.ask("ecgscale.mark([], false)")


def test_what_keys_tell_stays_when_the_page_moves_below_a_resting_mouse(opened):
    """Chromium tells a page that scrolls below the mouse of a mouse that moved; one that truly moves takes over."""
    opened.ask("document.querySelector('#figure-fronts .live').focus({preventScroll: true})")
    opened.ask("document.querySelector('#figure-fronts .live').scrollIntoView({behavior: 'instant', block: 'center'})")
    ring = "['left', 'top'].map(side => parseFloat(document.getElementById('ring').style[side]))"
    told, *_ = press(opened, "Home")
    first = opened.ask(ring)
    opened("Input.dispatchMouseEvent", type="mouseMoved", x=first[0], y=first[1])
    text, *hidden = press(opened, "End")
    assert hidden == [False, False]
    assert text != told
    left, top = opened.ask(ring)
    opened.ask("scrollBy({top: 40, behavior: 'instant'})")
    opened.ask("new Promise(done => setTimeout(done, 600))")
    assert opened.ask(HIDDEN) == [False, False]
    assert opened.ask("document.getElementById('tip').textContent") == text
    assert opened.ask(ring) == pytest.approx([left, top - 40], abs=0.01)
    opened("Input.dispatchMouseEvent", type="mouseMoved", x=first[0], y=first[1] - 40)
    assert opened.ask(HIDDEN) == [False, True]
    assert opened.ask("document.getElementById('tip').textContent") == told
    opened.ask("document.activeElement.blur()")


def test_a_filter_leaves_its_runs_in_every_figure_and_in_the_table(opened):
    opened.ask("[...document.querySelectorAll('[data-filter=optimizer]')]"
               ".find(one => one.textContent === 'SGD').click()")
    ranked = make_inputs().ranked
    left = [i for i, name in enumerate(ranked["optimizer"]) if name != "sgd"]
    assert opened.ask(SHOWN) == left
    drawn = opened.ask("[...ecgscale.drawn.values()].flatMap(one => Object.keys(one.sets).flatMap(name => "
                       "one.view.data(name))).filter(row => row.run !== undefined).map(row => row.run)")
    assert set(drawn) <= set(left)
    assert len(drawn) > 20
    opened.ask("document.getElementById('unfilter').click()")
    assert len(opened.ask(SHOWN)) == 24


def test_the_table_sorts_and_finds(opened):
    opened.ask("document.querySelector('[data-sort=params]').click()")
    params = make_inputs().ranked["params"].to_numpy()
    assert opened.ask(SHOWN) == list(np.argsort(-params, kind="stable"))
    opened.ask("(() => { const one = document.getElementById('find'); one.value = 'run07'; "
               "one.dispatchEvent(new Event('input')); })()")
    assert opened.ask("document.querySelector('#explorer td').textContent") == "run07"
    assert len(opened.ask(SHOWN)) == 1
    opened.ask("(() => { const one = document.getElementById('find'); one.value = ''; "
               "one.dispatchEvent(new Event('input')); })()")


def test_the_table_is_downloaded_as_csv(opened, tmp_path):
    """What Chromium saves: every run that is shown, in the table's order, its numbers whole."""
    opened("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    opened.ask("document.querySelector('[data-filter=status]').click()")
    opened.ask("document.getElementById('save').click()")
    end = time.monotonic() + PATIENCE
    while not (tmp_path / "runs.csv").is_file() and time.monotonic() < end:
        time.sleep(0.05)
    saved, ranked = pd.read_csv(tmp_path / "runs.csv"), make_inputs().ranked
    assert saved["run"].tolist() == [ranked["run_id"][place] for place in opened.ask(SHOWN)]
    assert 0 < len(saved) < len(ranked)
    assert saved["status"].nunique() < ranked["status"].nunique()
    known = ranked.set_index("run_id").loc[saved["run"]]
    np.testing.assert_array_equal(saved[["parameters", "test", "to"]], known[[
        "params", "test_challenge_score", "test_challenge_score_high"]])
    opened.ask("document.getElementById('unfilter').click()")


def test_linear_axes(opened):
    opened.ask("[...document.querySelectorAll('#figure-latency-size .controls button')]"
               ".find(one => one.textContent === 'Linear axes').click()")
    opened.until("ecgscale.drawn.get('latency-size').view.scale('x').type === 'linear'")
    quiet(opened)


def test_runs_are_coloured_by_another_fact_and_have_its_fronts(opened):
    """By size, each front is the running maximum of its own group; the other figures follow, and go back."""
    opened.ask("document.querySelector('#figure-fronts select').selectedIndex = 0")
    opened.ask("document.querySelector('#figure-fronts select').dispatchEvent(new Event('change'))")
    opened.ask("ecgscale.paint('size').then(() => 0)")
    rows = opened.ask("ecgscale.drawn.get('fronts').view.data('score~forward_flops').map("
                      "({run, x, y, group, front}) => ({run, x, y, group, front}))")
    ranked = make_inputs().ranked
    assert len({row["group"] for row in rows}) > 1
    assert all(row["group"] == size_of(ranked["params"][row["run"]]) for row in rows)
    for group in {row["group"] for row in rows}:
        own = sorted((row for row in rows if row["group"] == group), key=lambda row: row["x"])
        assert [row["front"] for row in own] == [
            row["y"] > max((one["y"] for one in own[:place]), default=-1) for place, row in enumerate(own)]
    quiet(opened)
    opened.ask("ecgscale.paint('').then(() => 0)")
    assert set(opened.ask("ecgscale.drawn.get('fronts').view.data('score~forward_flops').map(row => row.group)")) == {
        "AdamW", "SGD", "SGD-momentum"}


def test_the_page_writes_numbers_as_the_tables_do(opened):
    values = [0, 26, 0.066, 1234.4, 9999.6, 65_432, 999_999, 1_002_229_760, 14_676_378, 2.5e17, 1e21, 1e-6, -0.000123]
    assert opened.ask(f"{values}.map(value => ecgscale.number(value))") == [number(value) for value in values]


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 1280), (False, 390)])
def test_dark_and_phone(opened, tmp_path_factory, dark, width, tmp_path):
    file = opened.ask("decodeURI(location.pathname)")
    opened.open(Path(file), width=width, dark=dark, phone=width < 500)
    opened.ask("ecgscale.draw().then(() => 0)")
    quiet(opened)
    assert opened.ask("document.documentElement.scrollWidth") <= width + 8          # wide tables scroll by themselves
    assert opened.ask(CUT_TITLES) == []
    drawing = opened.ask("getComputedStyle(document.querySelector('figure:not(.paper) > svg, .still')).filter")
    assert drawing.startswith("invert(0.9") == dark                                 # drawn for white paper
    opened.picture(tmp_path / "page.png")
    corner = np.asarray(Image.open(tmp_path / "page.png").convert("L"))[-40:, :6]
    assert (corner.mean() < 60) == dark



@pytest.mark.parametrize("name", ["only a run table", "failed runs alone", "one optimizer", "without latency"])
def test_a_page_of_less(browser, tmp_path, name, monkeypatch):
    monkeypatch.setattr(page, "picture", lambda *_: "data:,")
    whole = make_inputs()
    runs = run_table(synthetic=False)
    less = {"only a run table": Inputs(runs=runs),
            "failed runs alone": Inputs(runs=runs.assign(status="failed", test_challenge_score=np.nan)),
            "one optimizer": replace(whole, runs=runs[runs["optimizer"].eq("adamw")].reset_index(drop=True)),
            "without latency": replace(whole, latency=whole.latency.iloc[:0], speeds=(), environments=(),
                                       controls=())}[name]
    page.write(less, tmp_path)
    browser.open(tmp_path / "report.html")
    browser.ask("ecgscale.draw().then(() => 0)")
    quiet(browser)
    assert len(browser.ask(SHOWN)) == len(less.runs)


def test_a_page_that_holds_some_of_the_runs_says_so(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "picture", lambda *_: "data:,")
    monkeypatch.setattr(compact, "LIMITS", ((20, 12),))
    page.write(make_inputs(), tmp_path)
    browser.open(tmp_path / "report.html")
    browser.ask("ecgscale.draw().then(() => 0)")
    quiet(browser)
    assert browser.ask("document.getElementById('told').textContent") == (
        "12 of 12 runs (the first of 24; the CSV beside the page has all), 0 marked")
    assert len(browser.ask(SHOWN)) == 12
    assert "The page holds one in 2 of these" in browser.ask("document.querySelector('#figure-fronts').textContent")
    assert browser.ask("ecgscale.drawn.get('fronts').view.data('score~forward_flops').length") < 24
