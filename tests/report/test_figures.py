"""What figures show, read back from their artists; and that their colours can be told from the ground."""

import re
from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from featherweight.errors import UsageError
from featherweight.report import figures
from featherweight.report.analysis import Answers
from featherweight.report.attribution import ClassEvidence, Field, Seen
from featherweight.report.figures.images import reach, shown_fields
from featherweight.report.figures.style import COLOURS
from featherweight.report.figures.svg import hover_texts, page_svg
from made import record

F1 = record("f1", [98.0] * 14 + [99.2])
F3 = [record("f3", [96.0, *[99.0] * 9, 99.41, 99.42, 99.43, 99.44, last], n) for n, last in ((0, 99.5), (1, 99.6))]
NAMES = ("<script>alert(1)</script>", "$x^2$", 'a "b" & c', "d")


def answers(seed: int = 0) -> Answers:
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, 4, 47)
    probabilities = draws.dirichlet(np.ones(4), 47)
    return Answers(probabilities=probabilities, labels=labels, classes=NAMES)


def lines(figure: object, label: str) -> list[list[float]]:
    axes = figure.axes[0]  # type: ignore[attr-defined]
    return [list(line.get_ydata()) for line in axes.lines if line.get_label().lstrip("_") == label]


def texts(figure: object) -> str:
    return page_svg(figure, "x", "x")  # type: ignore[arg-type]


def test_accuracy_draws_every_run_its_target_and_the_judged_epochs() -> None:
    figure = figures.accuracy(*F3)
    axes = figure.axes[0]
    values = [row.test_accuracy for run in F3 for row in run.rows] + [98.0, 99.4]  # and of training, and the target
    assert axes.get_ylim()[0] < min(values) and axes.get_ylim()[1] > max(values)
    assert lines(figure, "test") == [[row.test_accuracy for row in run.rows] for run in F3]
    assert lines(figure, "training, augmented") == [[98.0] * 15] * 2
    assert lines(figure, "target 99.40 %") == [[99.4, 99.4]]
    band = axes.patches[0]
    assert (band.get_x(), band.get_x() + band.get_width()) == (10.5, 15.5)


@pytest.mark.parametrize("tests", [[96.0] * 15, [5.0, 31.0, 88.0, 100.0], [100.0] * 3, [0.0, 40.0], [99.41, 99.42]])
def test_every_accuracy_is_on_the_axis_among_labels(tests: list[float]) -> None:
    run = record("f1", tests, train=tests[0])
    axes = figures.accuracy(run).axes[0]
    (bottom, top), targets = axes.get_ylim(), [run.budget["accuracy"]]
    places = axes.transAxes.inverted().transform(axes.transData.transform([(1, y) for y in [*tests, *targets]]))[:, 1]
    assert places.min() >= -1e-9 and places.max() <= 1 + 1e-9
    shown = [tick for tick in axes.get_yticks() if bottom <= tick <= top]
    assert len(shown) >= 3 and len({axes.yaxis.get_major_formatter()(tick) for tick in shown}) == len(shown)


def test_halving_the_error_climbs_by_the_same_distance_anywhere() -> None:
    axes = figures.accuracy(F1).axes[0]
    y = [axes.transData.transform((1, accuracy))[1] for accuracy in (96, 98, 99, 99.2, 99.6)]
    assert y[1] - y[0] == pytest.approx(y[2] - y[1]) == pytest.approx(y[4] - y[3])


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 15, 24, 100, 137])
def test_the_last_epoch_has_a_label(epochs: int) -> None:
    run = record("f1", [98.0] * epochs)
    for draw in (figures.accuracy, figures.loss, figures.learning_rate, figures.ladder):
        ticks = list(draw(run).axes[0].get_xticks())
        assert ticks[-1] == epochs and len(ticks) <= 9 and ticks == sorted(set(ticks))


@pytest.mark.parametrize(("low", "high"), [(0.013, 0.5), (0.031, 0.0331), (1e-6, 3.0), (0.1, 0.1), (2.0, 9.0)])
def test_a_logarithmic_axis_has_labels_and_holds_its_values(low: float, high: float) -> None:
    rows = [replace(row, test_loss=low, train_loss=high) for row in F1.rows]
    axes = figures.loss(replace(F1, rows=tuple(rows))).axes[0]
    assert axes.get_yscale() == "log" and axes.get_ylim()[0] < low <= high < axes.get_ylim()[1]
    inside = [tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]]
    assert 3 <= len(inside) <= 9 and all(axes.yaxis.get_major_formatter()(tick) for tick in inside)


def test_values_are_shown_where_they_are_drawn() -> None:
    figure = figures.accuracy(F1)
    found = hover_texts(figure)
    assert found[0] == "epoch 1: training 98.00 %" and found[-1] == "epoch 15: test 99.20 %" and len(found) == 30
    page = ElementTree.fromstring(page_svg(figure, "x", "x"))
    circles = {one[0].text: one for one in page.iter() if one.tag.endswith("circle")}
    first, last = (circles[f"epoch {at}: test {value} %"] for at, value in ((1, "98.00"), (15, "99.20")))
    box = [float(part) for part in page.attrib["viewBox"].split()]
    (left, bottom), (right, _) = figure.axes[0].get_position().get_points()
    # Epochs 1 and 15 are 14 of the axis's 15 units apart.
    across = float(last.attrib["cx"]) - float(first.attrib["cx"])
    assert across == pytest.approx((right - left) * box[2] * 14 / 15, abs=0.2)
    assert float(last.attrib["cy"]) < float(first.attrib["cy"]) < (1 - bottom) * box[3] + 0.2
    assert "<script" not in texts(figures.confusion_matrix(answers())) and len(hover_texts(figures.loss(*F3))) == 60


def test_a_figure_for_a_page_is_smaller_and_draws_the_same_images() -> None:
    images = np.random.default_rng(1).integers(0, 255, (6, 3, 9, 11), dtype=np.uint8)
    figure = figures.misclassified(Answers(probabilities=np.eye(4)[[1] * 6], labels=np.zeros(6, int), classes=NAMES),
                                   images)  # fmt: skip
    whole, small = figures.svg(figure), page_svg(figure, "x", "x")
    assert len(small) < 0.8 * len(whole)
    urls = [re.findall(r"data:image/[a-z]+;base64,([^\"]+)", text) for text in (whole, small)]
    assert len(urls[0]) == len(urls[1]) == 6
    for one, other in zip(*urls, strict=True):
        drawn = [np.asarray(Image.open(BytesIO(b64decode(content))).convert("RGB")) for content in (one, other)]
        assert (drawn[0] == drawn[1]).all()


def test_several_experiments_are_told_apart_by_more_than_colour() -> None:
    figure = figures.accuracy(F1, *F3)
    tests = {line.get_label(): line for line in figure.axes[0].lines if line.get_label().endswith(", test")}
    assert list(tests) == ["f1, test", "f3, test", "_f3, test"]
    assert tests["f1, test"].get_color() != tests["f3, test"].get_color()
    assert tests["f1, test"].get_linestyle() != tests["f3, test"].get_linestyle()


def test_a_ladder_s_axis_holds_a_run_that_collapses() -> None:
    assert figures.ladder(record("f1", [95.0, 41.0, 12.0])).axes[0].get_ylim() == (10, 100)
    assert figures.ladder(F1).axes[0].get_ylim() == (97, 100)


def test_the_rate_is_the_schedule_s_and_ends_at_the_record_s() -> None:
    runs = [replace(run, rows=tuple(replace(row, lr=0.1 / row.epoch) for row in run.rows)) for run in F3]
    (line, dots) = figures.learning_rate(*runs).axes[0].lines
    assert max(line.get_ydata()) == pytest.approx(0.2, rel=1e-3) and line.get_ydata()[-1] == pytest.approx(2e-5)
    assert list(dots.get_ydata()) == [0.1 / epoch for epoch in range(1, 16)]


def test_spread_has_a_line_a_run_and_the_mean() -> None:
    figure = figures.spread(*F3)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["f3, seed 0", "f3, seed 1"]
    assert [line.get_xdata()[0] for line in figure.axes[0].lines if "last epoch" in line.get_label()] == [99.5, 99.6]
    assert "mean of the last 99.550 %" in texts(figure)


@pytest.mark.parametrize("draw", [figures.accuracy, figures.loss, figures.learning_rate, figures.spread])
def test_curves_of_nothing_are_refused(draw: object) -> None:
    for runs in ([], [record("f3", [])]):
        with pytest.raises(UsageError, match="one finished epoch or more"):
            draw(*runs)  # type: ignore[operator]


def test_bars_of_errors_start_at_zero_and_are_what_is_missing_to_100() -> None:
    one = Answers(probabilities=np.eye(2)[[0, 0, 0, 1]], labels=np.array([0, 0, 1, 1]), classes=("a", "b"))
    axes = figures.class_errors(one).axes[0]
    assert axes.get_xlim()[0] == 0 and all(bar.get_x() == 0 for bar in axes.patches)
    assert [round(bar.get_width(), 6) for bar in axes.patches] == [0.0, 50.0, round(100 / 3, 6), 0.0]


def test_the_matrix_writes_every_count() -> None:
    one = Answers(probabilities=np.eye(3)[[0, 0, 1, 2, 1]], labels=np.array([0, 0, 0, 2, 1]), classes=("a", "b", "c"))
    written = {text.get_position(): text.get_text() for text in figures.confusion_matrix(one).axes[0].texts}
    assert written == {(0, 0): "2", (1, 0): "1", (1, 1): "1", (2, 2): "1"}


def test_every_mistake_has_a_tile() -> None:
    one, images = answers(), np.zeros((47, 1, 5, 7), dtype=np.uint8)
    wrong = int((one.chosen != one.labels).sum())
    assert wrong > 20
    axes = figures.misclassified(one, images).axes[0]
    assert len(axes.images) == len(axes.texts) == wrong
    right = Answers(probabilities=np.eye(4), labels=np.arange(4), classes=NAMES)
    with pytest.raises(UsageError, match="Nothing was misclassified"):
        figures.misclassified(right, images)
    assert len(figures.samples(one, images, count=11).axes[0].images) == 11


def test_names_are_written_as_they_are_in_well_formed_svg() -> None:
    one, images = answers(), np.zeros((47, 3, 5, 5), dtype=np.uint8)
    every = [figures.class_errors(one), figures.confusion_matrix(one, one), figures.calibration_curve(one),
             figures.misclassified(one, images), figures.samples(one, images)]  # fmt: skip
    for figure in every:
        for text in (figures.svg(figure), page_svg(figure, "name", "what it shows")):
            root = ElementTree.fromstring(text)
            assert not [element for element in root.iter() if element.tag.endswith("script")]
        assert figures.png(figure).startswith(b"\x89PNG")
    assert "&lt;script&gt;" in texts(every[0]) and "$x^2$" in texts(every[0])


def test_ids_of_two_figures_on_one_page_do_not_meet() -> None:
    found = [set(ElementTree.fromstring(page_svg(figures.loss(F1), name, "x")).iter()) for name in ("a", "b")]
    ids = [{element.get("id") for element in elements} - {None} for elements in found]
    assert len(ids[0]) == len(ids[1]) > 3 and not ids[0] & ids[1]


def test_fields_kernels_evidence_and_images_seen() -> None:
    heat = np.zeros((5, 7))
    heat[2, 3] = 1.0
    grown = [Field(layer=f"{n}", kind="Conv2d 3x3", output=(1, 5, 7), window=((-n, 4 + n), (1, 5)), heat=heat)
             for n in range(20)]  # fmt: skip
    assert [field.layer for field in shown_fields(grown)][-1] == "19" and len(shown_fields(grown)) == 16
    assert reach(grown[0]) == 1.0 and reach(replace(grown[0], heat=np.ones((5, 7)))) == pytest.approx(32**0.5)
    image = np.zeros((1, 5, 7), dtype=np.uint8)
    assert len(figures.receptive_fields(grown[:3], image).axes[0].images) == 6
    assert len(figures.kernels(np.ones((5, 3, 2, 2))).axes[0].images) == 15
    assert len(figures.kernels(np.zeros((90, 1, 2, 2))).axes[0].images) == 64
    found = ClassEvidence(layer="3", map=(2, 2), heat=np.zeros((2, 5, 7)))
    assert len(figures.class_evidence(found, np.stack([image, image]), ["a", "b"]).axes[0].images) == 2
    pictures = np.zeros((6, 1, 5, 7))
    seen = Seen(indices=np.arange(6), plain=pictures, changed=pictures, exact=True)
    assert len(figures.seen(seen).axes[0].images) == 12
    with pytest.raises(UsageError, match="no field to draw"):
        figures.receptive_fields([], image)


def test_the_caller_s_own_settings_are_left_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.accuracy(F1)
    assert dict(matplotlib.rcParams) == before


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_reach_the_contrast_that_text_needs_on_both_grounds() -> None:
    sheet = (Path(figures.__file__).parent.parent / "templates" / "page.css").read_text(encoding="utf-8")
    for place, card in enumerate(("#ffffff", "#1a2128")):
        assert f"--card: {card}" in sheet
        for name, values in COLOURS.items():
            one, other = sorted([luminance(values[place]), luminance(card)])
            if name not in ("rule", "band", "edge"):  # neither carries a meaning alone
                assert (other + 0.05) / (one + 0.05) >= 4.5, (name, place)
