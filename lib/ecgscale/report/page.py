"""The page: sections in the order of the data, each with its figures, tables and what is missing; one file, offline."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ecgscale.contracts import marked, refuse_foreign, whole_folder, write_text
from ecgscale.laws.columns import told_rows
from ecgscale.laws.summary import LINES, counted_too_narrow, foremost, notes
from ecgscale.machine.processes import fresh_pool
from ecgscale.numbers import number
from ecgscale.paths import ASSETS
from ecgscale.report import (
    allocation,
    analysis_tables,
    axes,
    budgets,
    charts,
    clinic,
    data_card,
    deployment,
    design_spaces,
    ecg_paper,
    effects,
    explore,
    figures,
    influence,
    latency_figures,
    latency_tables,
    law_chart,
    learning_curves,
    learning_rates,
    out_of_source,
    plots,
    predictor_figures,
    recipe,
    rounds,
    side_by_side,
    tables,
)
from ecgscale.report.charts import Chart
from ecgscale.report.ecg_paper import Copy, Sheet
from ecgscale.report.headlines import headlines, spoken
from ecgscale.report.inputs import Inputs
from ecgscale.report.long_tables import TABLES, shortened
from ecgscale.report.style import FIGURES, GENERATOR, Drawing, label, save

SIGNED = "(ecgscale: intervals, protocol and rows are in report.html)"
DATA = "@the rows of the figures@"
PAGE = 4_900_000        # bytes of the page: rows of figures are left out beyond
WORTH_STARTING = 6      # charts from which processes that draw them are started
MOST_PROCESSES = 4
HEAVY = 100_000         # letters of a drawing beyond which the page holds it as pixels


@dataclass
class Section:
    """`notices` are warnings set off from the text; `parts` are figures and DataTables in reading order."""

    id: str
    title: str
    text: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    parts: list = field(default_factory=list)
    code: str = ""          # to be copied
    small: list[str] = field(default_factory=list)      # print at the end, behind a click

    def bare(self) -> bool:
        """Nothing is shown, only why: such chapters are lines of the last one."""
        return not (self.parts or self.code)

    def add(self, *parts) -> Section:
        self.parts += [part for part in parts if part is not None]
        return self


def write(inputs: Inputs, out: Path, cpus: int = 1) -> None:
    """Write report.html, figures/*.svg, *.png and answers.txt below `out`. The same inputs give the same bytes."""
    signed = marked(SIGNED.encode())
    refuse_foreign(out, {"report.html": marked(GENERATOR), "answers.txt": signed, "figures": FIGURES, "tables": TABLES})
    made = [make(inputs) for make in SECTIONS]
    sections, lacking = ([one for one in made if one.bare() == bare] for bare in (False, True))
    asked, answers = headlines(inputs), [part for part in (budgets.best_for_budgets(inputs),) if part]
    parts = [*answers, *(part for section in sections for part in section.parts)]
    shorter = shortened(parts, out)
    with whole_folder(out / "figures", FIGURES) as folder:
        folder.mkdir()
        pictures = draw([part for part in parts if isinstance(part, Drawing | Sheet | Copy | Chart)], folder,
                        inputs.synthetic, cpus)
    folder = ASSETS / "report"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    environment.tests["drawing"] = lambda part: isinstance(part, Drawing | Sheet | Copy)
    environment.tests["paper"] = lambda part: isinstance(part, Sheet | Copy)
    environment.tests["chart"] = lambda part: isinstance(part, Chart)
    environment.tests["explorer"] = lambda part: part.explorer
    studies = sorted(set(inputs.runs["study"].dropna())) if "study" in inputs.runs else []
    scripts = explore.scripts()
    page = environment.get_template("page.html.j2").render(
        name=", ".join(studies) or "run table", synthetic=inputs.synthetic, sections=sections, lacking=lacking,
        pictures=pictures, headlines=asked, answers=answers, shown=lambda part: shorter.get(id(part), part),
        scripts=[Markup(text) for text in scripts], policy=explore.policy(scripts), data=DATA, so_far=inputs.so_far,
        style=Markup((folder / "style.css").read_text(encoding="utf-8")))
    before, _, after = page.rpartition(DATA)        # what others wrote stands before
    drawn = explore.document(inputs, [part for part in parts if isinstance(part, Chart)],
                             PAGE - len((before + after).encode()))
    write_text(out / "report.html", f"{before}{charts.script_safe(drawn)}{after}", marked(GENERATOR))
    so_far = f"So far: {inputs.so_far}.\n" if inputs.so_far else ""
    told = f"{so_far}{spoken(asked)}{budgets.spoken(inputs)}{SIGNED}\n"
    write_text(out / "answers.txt", told, signed)


def draw(parts: list[Drawing | Sheet | Copy | Chart], folder: Path, synthetic: bool, cpus: int) -> dict[str, str]:
    """What stands in the page for each figure, by name. Charts are drawn in processes beside the others, where there
    are enough of both."""
    apart = [part for part in parts if isinstance(part, Chart)] if cpus > 1 else []
    if len(apart) < WORTH_STARTING:
        return {part.name: picture(part, folder, synthetic) for part in parts}
    with fresh_pool("drawing", min(cpus, MOST_PROCESSES), threads=1) as pool:
        drawn = {part.name: pool.submit(charts.save, part, folder, synthetic) for part in apart}
        here = {part.name: picture(part, folder, synthetic) for part in parts if part.name not in drawn}
        return here | {name: first_view(one.result()) for name, one in drawn.items()}


def picture(part: Drawing | Sheet | Copy | Chart, folder: Path, synthetic: bool) -> str:
    """Write the files of a figure; give what stands in the page: SVG, or of a chart the address of its first view."""
    if isinstance(part, Chart):
        return first_view(charts.save(part, folder, synthetic))
    if isinstance(part, Sheet):
        return Markup(ecg_paper.save(part, folder, synthetic))
    png = folder / f"{part.name}.png"
    if isinstance(part, Copy):
        png.write_bytes(part.png)
    elif len(svg := save(part, folder, synthetic)) <= HEAVY:
        return Markup(svg)
    return Markup('<img class="still" alt="{}" src="{}">').format(part.alt, address(png.read_bytes()))


def first_view(views: dict[str, bytes]) -> str:
    return address(next(iter(views.values())))


def address(png: bytes) -> str:
    kind, picture = charts.light(png)
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def without(section: Section, inputs: Inputs, *names: str) -> Section:
    """Say which inputs of the section were not given."""
    missing = [f"{name} ({inputs.missing[name]})" for name in names if name in inputs.missing]
    section.notices += ["Not shown: " + "; ".join(missing) + "."] if missing else []
    return section


def not_done(disabled: dict[str, str]) -> list[str]:
    """One notice of the analyses that a table does not allow."""
    return ["Not done: " + "; ".join(f"{name} ({why})" for name, why in disabled.items()) + "."] if disabled else []


def data(inputs: Inputs) -> Section:
    section = Section("data", "Data: recordings, rejects, split")
    if inputs.shards:
        first = inputs.shards[0]
        recipe = ", ".join(f"{name} {tables.words(value)}" for name, value in first.recipe.items())
        accepted, found = (sum(getattr(one, name) for one in inputs.shards) for name in ("accepted", "found"))
        section.text.append(f"{accepted} of {found} recordings accepted; {len(first.leads)} leads at "
                            f"{number(first.rate)} Hz in units of {first.unit}; {len(first.classes)} classes. "
                            f"Recipe: {recipe}.")
    if inputs.split:
        section.text.append(f"Split by {inputs.split.method}, seed {inputs.split.seed}.")
        section.notices += [f"Of the split: {'; '.join(inputs.split.warnings)}."] if inputs.split.warnings else []
    if data_card.left_out(inputs) and inputs.drawn:
        section.text.append("Drawn recordings are left out, as the study asks (evaluation.examples).")
    elif inputs.drawn and not inputs.synthetic:
        section.notices.append(clinic.SIGNALS_SHOWN)
    section.add(*(data_card.parts(inputs) or [tables.shards(inputs)]), tables.classes(inputs), tables.rejects(inputs),
                tables.audit(inputs), *tables.audit_tables(inputs))
    return without(section, inputs, "shards", "counts.csv", "split.json")


def runs(inputs: Inputs) -> Section:
    section = Section("runs", "Runs: every one, however it ended")
    lost = len(inputs.runs) - len(inputs.scored)
    if inputs.asked not in inputs.runs:
        section.notices.append(f"The table has no column {inputs.asked}: fronts and predictor had nothing to look at. "
                               "Name another score as analysis.target of the study.")
    elif lost:
        section.notices.append(f"{lost} of {len(inputs.runs)} runs have no score (diverged, failed or not evaluated). "
                               "They are listed, and left out of the analyses below.")
    if inputs.plan:
        rejected = tables.words(inputs.plan.rejected) if inputs.plan.rejected else "none"
        section.text.append(f"Planned: {inputs.plan.runs} runs, seed {inputs.plan.seed}; samples rejected by "
                            f"constraint: {rejected}; duplicates: {inputs.plan.duplicates}.")
        section.add(tables.plan_times(inputs))
    section.notices += [f"While the tables were read: {notice}." for notice in inputs.notices]
    section.notices += [inputs.cut] if inputs.cut else []
    section.notices += learning_rates.alarm(inputs)
    section.add(tables.statuses(inputs), tables.costs(inputs), design_spaces.scores(inputs), tables.good_shares(inputs),
                learning_rates.rates(inputs), learning_rates.laws(inputs), learning_curves.chart(inputs),
                tables.runs(inputs), tables.differences(inputs), tables.noise(inputs), tables.sources(inputs))
    return without(section, inputs, "plan.json", "differences.csv", "noise.csv", "sources.csv",
                   "histories.parquet", "optima.csv", "rates.csv")


def clinic_of_best(inputs: Inputs) -> Section:
    section = Section("clinic", "Clinic: what the chosen model finds, and what it misses")
    section.text += clinic.words(inputs)
    section.notices += clinic.notices(inputs)
    section.add(clinic.by_class(inputs), clinic.class_table(inputs), *clinic.group_tables(inputs),
                clinic.calibration(inputs), *clinic.electrocardiograms(inputs))
    return without(section, inputs, "chosen/metrics.csv", "chosen/reliability.csv", "chosen/examples.json")


def laws(inputs: Inputs) -> Section:
    section = Section("laws", "Scaling laws")
    section.text.append("A law is “identified” when the data pin its parameters down; otherwise the verdict says what "
                        "they cannot tell. Intervals are profile likelihoods; runs that differ only by seed count as "
                        "one cluster.")
    section.add(law_chart.law(inputs), analysis_tables.laws_that_stand(inputs), allocation.bounds(inputs),
                analysis_tables.law_answers(inputs), analysis_tables.laws_by_group(inputs),
                analysis_tables.laws(inputs))
    if inputs.laws:
        section.add(analysis_tables.differences(inputs, (*analysis_tables.BY_GROUP, *axes.BY_AXIS)),
                    analysis_tables.crossings(inputs), allocation.answers(inputs), allocation.iso_flop(inputs),
                    allocation.optima(inputs), allocation.iso_loss(inputs), allocation.prices(inputs))
        section.small += [f"{told_rows(row)}." for row in inputs.laws.rows]
        if columns := inputs.laws.columns:
            section.small.append(f"The table was read as: {columns.told()}.")
            section.notices += [f"While the table was read: {notice}." for notice in columns.notices]
        averages = [fit for fit in inputs.laws.fits if fit.law == "average"]
        said = [*notes(foremost(inputs.laws)[:LINES]), *counted_too_narrow(averages)]
        section.small += [f"{one[:1].upper()}{one[1:]}." for one in said]
    section.notices += not_done({name: why for name, why in (inputs.laws.disabled if inputs.laws else {}).items()
                                 if not name.startswith(out_of_source.PARTS)})
    return without(section, inputs, "laws.json")


def preparation(inputs: Inputs) -> Section:
    section = Section("preparation", "Preparation: recipe, rate, window and leads", axes.words(inputs))
    section.add(axes.drawing(inputs), axes.levels(inputs), axes.laws(inputs))
    return without(section, inputs, "axes.csv")


def other_sources(inputs: Inputs) -> Section:
    section = Section("sources", "Out of the source: a hospital that training did not know")
    section.text, section.notices = out_of_source.words(inputs), out_of_source.notices(inputs)
    return section.add(out_of_source.drawing(inputs), out_of_source.slopes(inputs), out_of_source.ratios(inputs))


def rounds_of_scaling(inputs: Inputs) -> Section:
    section = Section("rounds", "Rounds: larger scales, foretold and found", rounds.words(inputs),
                      rounds.remedies(inputs))
    return section.add(rounds.drawing(inputs), rounds.listing(inputs))


def frontier(inputs: Inputs) -> Section:
    section = Section("frontier", "Frontier: the best score for each cost")
    section.text.append("A point is a configuration; runs that differ only in the seed count as one, at their mean. "
                        "The probability of standing on the front resamples the scores within their intervals.")
    section.add(plots.fronts(inputs), plots.qualities(inputs),
                analysis_tables.fronts(inputs), analysis_tables.hypervolumes(inputs))
    return without(section, inputs, "frontier.csv")


def predictor(inputs: Inputs) -> Section:
    section = Section("predictor", "Predictor: which hyperparameters matter")
    if inputs.predictor:
        if inputs.predictor.warning:
            section.notices.append(inputs.predictor.warning + ".")
        section.notices += not_done(inputs.predictor.disabled)
        pairs = [f"{pair['first']} and {pair['second']} ({pair['spearman']:+.2f})"
                 for pair in inputs.predictor.correlated]
        more = f" and {len(pairs) - 12} more in predictor.json" if len(pairs) > 12 else ""
        if pairs:
            section.small.append("Correlated hyperparameters (Spearman), whose importance is shared: "
                                   f"{', '.join(pairs[:12])}{more}.")
        section.text.append(f"Target: {label(inputs.predictor.target)} of {inputs.predictor.runs} finished runs, from "
                            f"{', '.join(inputs.predictor.features) or 'nothing that varies'}.")
    section.add(plots.predicted(inputs), analysis_tables.predictor(inputs), analysis_tables.beyond(inputs),
                analysis_tables.predictor_results(inputs),
                influence.importance(inputs), effects.swarm(inputs), effects.squeezed(inputs),
                influence.dependence(inputs), analysis_tables.importance(inputs))
    return without(section, inputs, "predictor.json", "importance.csv", "predicted.csv", "effects.parquet")


def latency(inputs: Inputs) -> Section:
    section = Section("latency", "Latency: how fast on which runtime")
    section.notices += filter(None, (latency_tables.fallbacks(inputs), latency_tables.other_weights(inputs)))
    section.notices += [f"{one.machine} was disturbed, and nothing measured on it stands: {one.reason}."
                        for one in inputs.controls if one.reason]
    section.notices += latency_tables.neighbours(inputs)
    unknown = sorted(set(inputs.latency["machine"].dropna()) - {one.machine for one in inputs.environments})
    section.notices += [f"Nothing is known of the machine {name}: no environment.json came with its results."
                        for name in unknown]
    section.notices += not_done({f"{name} of latency": why for one in inputs.speeds
                                 for name, why in one.disabled.items()})
    section.add(plots.latency_by_setting(inputs), latency_tables.latency(inputs), latency_tables.unavailable(inputs),
                latency_tables.controls(inputs), plots.latency_by_size(inputs), latency_tables.laws(inputs),
                latency_tables.predictor(inputs), tables.machines(inputs))
    named = [name for name in inputs.missing if name == "latency" or name.endswith("latency")]
    return without(section, inputs, *named)


def recipe_of_best(inputs: Inputs) -> Section:
    section = Section("recipe", "Recipe: train this, deploy so", code=recipe.study(inputs))
    section.text.append(
        "The run that validation chose, as a study file with three seeds. Schedule, clipping, details of the loss and "
        "string-valued settings of the network are not in the run table: where its study changed them, copy them from "
        "there." if section.code else
        "No study file can be written: this table does not tell the settings of its best run, or has no such run.")
    section.text += [told] if (told := recipe.deployment(inputs)) else []
    return section


def devices(inputs: Inputs) -> Section:
    section = Section("devices", "Devices: what each one buys")
    section.text, section.notices, parts = deployment.chapter(inputs)
    return section.add(*parts)


def machines(inputs: Inputs) -> Section:
    section = Section("machines", "Machines: side by side")
    section.text, section.notices, parts = side_by_side.chapter(inputs)
    return section.add(*parts)


def study(inputs: Inputs) -> Section:
    """The four figures of the published study in its own form, ours beside its values."""
    section = Section("study", "The study's figures, here and published")
    section.text.append(
        "Each figure in the form that the study gave it, of these runs, with the published values beside it. The study "
        "sampled 500 architectures by its abstract, 401 by its public notebook, and told 30 labels apart, of which "
        "four pairs count as one here. It trained at rates drawn from one range, reports the maximum over epochs on "
        "its validation fold, averages scores over batches, counts FLOPs on an input of length 1, and names SHAP as "
        "the method of its importances. None of that is done here, so shapes and orders compare, heights do not.")
    return section.add(
        analysis_tables.findings(inputs),
        figures.front(inputs, "score~forward_flops"),
        analysis_tables.published_findings(1, "Published, figure 1 of the study"),
        predictor_figures.true_against_predicted(inputs, "random forest"),
        analysis_tables.published_findings(2, "Published, figure 2 of the study"),
        predictor_figures.importance(inputs, "gini"),
        analysis_tables.published_findings(3, "Published, figure 3 of the study"),
        latency_figures.speedup(inputs), latency_figures.published_latency(predictor_figures.published(4)),
        side_by_side.beside_published(inputs),
        analysis_tables.published_findings(0, "Published, in the study's text and by its siblings"))


def provenance(inputs: Inputs) -> Section:
    section = Section("provenance", "Provenance: how to make it again, versions, digests, devices, seeds",
                      code=tables.rebuild(inputs))
    return section.add(tables.digests(inputs), tables.versions(inputs), tables.devices(inputs))


SECTIONS: tuple[Callable[[Inputs], Section], ...] = (
    recipe_of_best, data, runs, clinic_of_best, laws, preparation, other_sources, rounds_of_scaling, frontier,
    predictor, latency, devices, machines, study, provenance)
