"""Charts as files: the same whoever draws them."""

from ecgscale.report import charts, page


def test_charts_that_processes_draw_are_the_same_to_the_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "WORTH_STARTING", 2)
    spec = charts.layered(charts.points("rows", charts.axis("x", "x"), charts.axis("y", "y"),
                                        charts.colour("group", ["a"])))
    made = [charts.Chart(name, name, "", "", (charts.View("all", "all", spec),),
                         {"rows": [{"x": 1.0, "y": 2.0, "group": "a"}]}) for name in ("one", "two")]
    drawn = {}
    for cpus in (1, 2):
        folder = tmp_path / str(cpus)
        folder.mkdir()
        drawn[cpus] = page.draw(made, folder, True, cpus), {file.name: file.read_bytes() for file in folder.iterdir()}
    assert drawn[1] == drawn[2]
    assert sorted(drawn[1][1]) == ["one.png", "one.svg", "two.png", "two.svg"]
