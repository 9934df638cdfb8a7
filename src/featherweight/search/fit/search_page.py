"""The page of a search: what was found and how surely, the front, the classes that fail; then the runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherweight.io import write_text
from featherweight.report.analysis import mistakes
from featherweight.report.figures.style import QUIET, TARGET, TEST, blank, in_house_style, share
from featherweight.report.figures.svg import svg
from featherweight.report.page import page, read_story, sections
from featherweight.report.page.blocks import Block, Card, Column, FigureBlock, Headline, Section, Table, Tile, Tiles
from featherweight.report.page.blocks import VerdictBlock as Verdict
from featherweight.search.fit.card import PAGE
from featherweight.search.fit.cost import CLOCK_MHZ, kilobytes, milliseconds
from featherweight.search.fit.final_training import aim_words
from featherweight.search.fit.mislabelled import PAGE as LABELS
from featherweight.search.fit.package_result import Packaged
from featherweight.search.fit.result_words import FAILING, doubt_lines, failing_classes
from featherweight.search.fit.state import FitState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRONT = "front.svg"
WORST_CLASSES, EACH = 3, 6
"""Classes whose mistakes come first on the page, and pictures of each."""
TRAINED = ("a ninth", "a third", "all")
"""Of a finished network's training, rung by rung."""


@in_house_style
def front_figure(search: FitState, values: dict[str, Any]) -> "Figure":
    """Held-out accuracy of every candidate against what was to be small, with the front and the target."""
    from matplotlib.ticker import EngFormatter

    by = search.aim.minimize
    figure = blank(3.6)
    axes = figure.subplots()
    tried = [one for one in search.population.trials if one.rung >= 0 and not one.failed]
    for rung, name in enumerate(TRAINED):
        some = [one for one in tried if one.rung == rung]
        axes.plot([getattr(one.price, by) for one in some], [one.accuracy() for one in some], "o", color=QUIET,
                  markersize=2.5 + 1.5 * rung, alpha=0.35 + 0.3 * rung, label=f"{name} of the epochs")  # fmt: skip
    best = values["front"]
    axes.plot([one[by] for one in best], [one["accuracy"] for one in best], "-", color=TEST, linewidth=1.3,
              label="Pareto front")  # fmt: skip
    chosen = values["chosen"]
    axes.plot([values["cost"][by]], [chosen["held_out_accuracy"]], "D", color=TEST, markersize=7, label="chosen")
    if values["asked"]["accuracy"] is not None:
        axes.axhline(values["asked"]["accuracy"], color=TARGET, linestyle=(0, (6, 2)), linewidth=1.3, label="target")
    unit = "bytes" if by in ("flash", "ram") else ""
    axes.set(xlabel=f"{by}{', ' * bool(unit)}{unit}", ylabel="held-out accuracy, %", xscale="log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(axis="y")
    axes.legend(fontsize="small", loc="lower right")
    return figure


def write_page(search: FitState, finished: Packaged, values: dict[str, Any], out: Path, directory: Path | None) -> None:
    """Write the page, which begins with the search, and the picture of its front."""
    write_text(out / FRONT, svg(front_figure(search, values)))
    story = read_story(list(finished.folders), data_dir=directory)
    # The runs' own verdict is one of training: what decides here is the C program of the search.
    others = [part for part in sections(story) if part.id != "verdict"]
    first = Section(id="search", title="The search", blocks=tuple(_first_screen(search, finished, values)))
    write_text(out / PAGE, page(story, [first, *others]))


def _first_screen(search: FitState, finished: Packaged, values: dict[str, Any]) -> list[Block]:
    """Met or not, the figures, the front, the worst classes with their mistakes, and how to have it again."""
    by = search.aim.minimize
    target, met = values["asked"]["accuracy"], values["met"] and not values["warning"]
    word = ("Met" if met else "Not met") if target is not None else ("Found" if met else "Look first")
    sentence = " ".join([*doubt_lines(values), values["sentence"][0].upper() + values["sentence"][1:] + "."])
    passed = met if target is not None or not met else None
    about = (
        f"Every dot is a candidate, judged on training images that it was not trained on"
        f" ({values['search']['held_out']:,} of them). The test set was not read before the last training."
    )
    picture = FigureBlock(
        name="front", title=f"Candidates by accuracy and {by}", about=about,
        alt=f"Held-out accuracy against {by} of {values['search']['candidates']} candidates",
        figure=front_figure(search, values),
    )  # fmt: skip
    again = Card(name="repeat", title="To have it again", command=values["command"].replace("\n", " "),
                 rows=(("asked", aim_words(search)),))  # fmt: skip
    found: list[Block] = [Verdict(word=word, passed=passed, sentence=sentence), _tiles(values), picture]
    found += [*_worst(finished, values), *_looked_at(values), _front_table(values), again]
    return found


def _tiles(values: dict[str, Any]) -> Headline:
    program, over, hoped, cost = values["c"], values["over_seeds"], values["promise"], values["cost"]
    bits = values["chosen"]["genes"].get("bits", 8)
    seeds = over["seeds"]
    failing = failing_classes(values)
    groups = f" of {hoped['groups']:,} groups" if hoped["groups"] < hoped["images"] else ""
    return Headline(tiles=(
        Tile(label=f"Accuracy in C, {bits}-bit weights", value=f"{program['accuracy']:.2f} %",
             detail="95 % interval {:.2f} to {:.2f}, {:,} test images".format(*program["interval"], program["images"]),
             state="" if values["asked"]["accuracy"] is None else ("passed" if values["met"] else "failed")),
        Tile(label=f"Over {seeds} seed{'s' * (seeds != 1)}", value=f"{over['mean']:.2f} %",
             detail="95 % interval {:.2f} to {:.2f} over seeds and images".format(*over["interval"])),
        Tile(label="Expected of new pictures" if groups else "Expected by held-out pictures",
             value=f"{hoped['accuracy']:.1f} %",
             detail="95 % interval {:.1f} to {:.1f}, {:,} held-out images".format(*hoped["interval"], hoped["images"])
             + groups),
        Tile(label="Flash and RAM", value=f"{kilobytes(cost['flash'])} + {kilobytes(cost['ram'])}",
             detail=f"as C with {bits}-bit weights on a Cortex-M0+, estimated"),
        Tile(label="Time for a picture", value=f"{milliseconds(cost['cycles']):.1f} ms",
             detail=f"Cortex-M4 at {CLOCK_MHZ} MHz, estimated; {cost['macs'] / 1e6:.2f} million multiply-adds"),
        Tile(label=f"Classes under {FAILING} %", value=str(len(failing)), detail="; ".join(failing[:4]) or "none"),
    ))  # fmt: skip


def _worst(finished: Packaged, values: dict[str, Any]) -> list[Block]:
    """Mistakes of the classes with the least recall, the surest first; none where nothing is wrong."""
    rows = [row for row in values["recalls"] if row["recall"] is not None and row["recall"] < 100]
    worst = [row["name"] for row in sorted(rows, key=lambda row: row["recall"])[:WORST_CLASSES]]
    answers = finished.answers
    if answers is None or finished.test is None or not worst:
        return []
    wrong = mistakes(answers)
    shown = [one for name in worst for one in [one for one in wrong if answers.classes[one.truth] == name][:EACH]]
    captions = tuple(
        (answers.classes[one.truth], f"→ {answers.classes[one.chosen]}", share(one.confidence)) for one in shown
    )
    return [Tiles(
        name="worst", title="Mistakes of the classes with the least recall",
        images=finished.test.images[[one.index for one in shown]].numpy(), captions=captions,
        alts=tuple(f"test image {one.index}" for one in shown), zoom=True,
    )]  # fmt: skip


def _looked_at(values: dict[str, Any]) -> list[Block]:
    checks = values["checks"]
    lines = [line[0].upper() + line[1:] + "." for line in checks["lines"]]
    if checks["groups"]:
        lines.append(f"Held-out pictures are of other groups than those trained on, by {checks['groups']}.")
    if checks["suspects"]:
        lines.append(f"{checks['suspects']} labels are worth a look: `{LABELS}` beside this page.")
    return [" ".join(lines)] if lines else []


def _front_table(values: dict[str, Any]) -> Table:
    return Table(
        name="front", caption="The Pareto front", folded=True,
        columns=(
            Column(name="candidate", heading="candidate"), Column(name="accuracy", heading="held out, %", form=".2f"),
            Column(name="flash", heading="flash, bytes", form=",d"),
            Column(name="ram", heading="RAM, bytes", form=",d"),
            Column(name="macs", heading="MACs", form=",d"), Column(name="parameters", heading="parameters", form=",d"),
        ),
        rows=tuple(
            (one["candidate"], one["accuracy"], one["flash"], one["ram"], one["macs"], one["parameters"])
            for one in values["front"]
        ),
    )  # fmt: skip
