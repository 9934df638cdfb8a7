"""What figures show, read back from their artists; and that their colours can be told from the ground."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from featherweight.errors import UsageError
from featherweight.explain import figures
from featherweight.explain.analysis import Answers, Evidence, Field, Seen
from featherweight.explain.figures.inside import reach, shown_fields
from featherweight.explain.figures.style import COLOURS, page_svg
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
    assert axes.get_ylim() == (97, 100)
    assert lines(figure, "test") == [[row.test_accuracy for row in run.rows] for run in F3]
    assert lines(figure, "training") == [[98.0] * 15] * 2
    assert lines(figure, "target 99.40 %") == [[99.4, 99.4]]
    band = axes.patches[0]
    assert (band.get_x(), band.get_x() + band.get_width()) == (10.5, 15.5)
    assert "below the axis, at lowest: test 96.0 % (epoch 1)" in texts(figure)


def test_the_axis_follows_a_run_that_stays_below_97_and_nothing_is_hidden() -> None:
    for low in (96.0, 88.0, 31.0, 5.0):
        figure = figures.accuracy(record("f1", [low] * 15, train=low))
        bottom, top = figure.axes[0].get_ylim()
        assert bottom < low and top == 100 and "below the axis" not in texts(figure)


def test_several_experiments_are_told_apart_by_more_than_colour() -> None:
    figure = figures.accuracy(F1, *F3)
    tests = {line.get_label(): line for line in figure.axes[0].lines if line.get_label().endswith(", test")}
    assert list(tests) == ["f1, test", "f3, test", "_f3, test"]
    assert tests["f1, test"].get_color() != tests["f3, test"].get_color()
    assert tests["f1, test"].get_linestyle() != tests["f3, test"].get_linestyle()


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
    assert len(ids[0]) == len(ids[1]) > 10 and not ids[0] & ids[1]


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
    found = Evidence(layer="3", map=(2, 2), heat=np.zeros((2, 5, 7)))
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
    sheet = (Path(figures.__file__).parent.parent / "report" / "page.css").read_text(encoding="utf-8")
    for place, card in enumerate(("#ffffff", "#1a2128")):
        assert f"--card: {card}" in sheet
        for name, values in COLOURS.items():
            one, other = sorted([luminance(values[place]), luminance(card)])
            if name not in ("rule", "band", "edge"):  # neither carries a meaning alone
                assert (other + 0.05) / (one + 0.05) >= 4.5, (name, place)
