"""The records' pages and the picture of the Pareto fronts, against arithmetic written out on runs made by hand."""

from dataclasses import replace
from pathlib import Path

from torch import nn

import featherweight as fw
from featherweight.experiments.experiment import find
from featherweight.experiments.record import Record, write_record
from featherweight.experiments.statistics import best_by_cost
from docs.build.fronts import Point, pareto_fronts
from docs.build import candidate_record, ladder_pages, leaderboard
from featherweight.protocol.ledger import Attempt, note_attempt
from docs.build.readme_table import readme_table
from featherweight.export.estimate import deployed
from made import MNIST, record

TEN = [record("f3", [99.40] * 10 + [99.47] * 4 + [99.56 + 0.01 * seed], seed, train_seconds=60.0) for seed in range(10)]
"""Last epochs 99.56 to 99.65: mean 99.605, deviation 0.0303, half of the interval 2.262 x 0.0303 / √10 = 0.0217."""


def gathered(found: dict[str, list[Record]], root: Path) -> dict[str, candidate_record.Contender]:
    return {one.experiment.id: one for one in candidate_record.gather(found, root)}


def row_of(table: str, begin: str) -> list[str]:
    lines = [line for line in table.splitlines() if line.startswith(f"| {begin}")]
    assert len(lines) == 1
    return [cell.strip() for cell in lines[0].strip("|").split("|")]


def test_a_row_of_a_record_and_of_what_it_stands_beside(tmp_path: Path) -> None:
    table = leaderboard.table(list(gathered({"f3": TEN}, tmp_path).values()), "{id}.md")
    assert {line.count("|") for line in table.splitlines()} == {15}
    f3 = row_of(table, "[`f3`](f3.md)")
    assert f3[5:] == ["12 looks", "60.0, 1", "99.605 ± 0.030", "99.583 to 99.627", "–", "99.47", "10 of 10", "1",
                      "cleared, not yet confirmed on fresh seeds"]  # fmt: skip
    beside = row_of(table, "*best public run under 8,000 parameters*")
    assert beside[1:9] == ["7,496", "–", "–", "at most 15", "–", "–", "99.56 (last five 99.484)", "one run"]
    assert row_of(table, "*smallest public run")[10] == "99.42"


def test_a_row_and_a_page_name_what_is_done_to_pictures(tmp_path: Path) -> None:
    one = gathered({"f3": TEN}, tmp_path)["f3"]
    assert "deskewed" not in leaderboard.table([one], "{id}.md") + leaderboard.page(one, {}) + readme_table(
        [one], "{id}"
    )
    network = nn.Sequential(fw.Deskew(), fw.Crop(1), *one.experiment.build().children())
    other = replace(one, experiment=replace(one.experiment, network=lambda: network))
    assert f"[`f3`](f3.md) {one.experiment.title}, deskewed, cropped by 1 px |" in leaderboard.table([other], "{id}.md")
    assert "| [`f3`](f3), deskewed, cropped by 1 px |" in readme_table([other], "{id}")
    assert "**Preprocessing.** Pictures are deskewed, cropped by 1 px. This uses no labels" in leaderboard.page(
        other, {}
    )


def test_what_has_not_run_is_not_made_up(tmp_path: Path) -> None:
    everything = gathered({}, tmp_path)
    table = leaderboard.table(list(everything.values()), "{id}.md")
    for id, one in everything.items():
        assert row_of(table, f"[`{id}`]")[6:] == ["–", "not yet proven", "–", "–", "–", "–", "0", "–"]
        page = leaderboard.page(one, {})
        assert "## Result\n\nNot yet proven. Test-set evaluations so far: 0.\n" in page
        assert "## On held-out digits\n\nNot run yet.\n" in page and "## Comparison" not in page
        assert f"featherweight prove {id}" in page


def test_fewer_seeds_than_asked_are_shown_and_prove_nothing(tmp_path: Path) -> None:
    one = gathered({"f3": TEN[:5]}, tmp_path)["f3"]
    assert one.standing == "not yet proven"
    assert "**Not cleared:** seeds 0, 1, 2, 3, 4, where 0 to 9 are asked for." in leaderboard.page(one, {"f3": TEN[:5]})
    assert gathered({"f3": [*TEN[:9], record("f3", [99.4] * 15, 9)]}, tmp_path)["f3"].standing == "**not cleared**"


def test_a_page_has_evidence_touches_and_the_comparison_with_its_parent(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "heldout" / "smallest"
    folder.mkdir(parents=True)
    held = MNIST | {"train": 55_000, "test": 5000, "holdout": 5000}
    for seed, last in enumerate((99.40, 99.42, 99.50)):
        write_record(record("smallest", [99.3] * 14 + [last], seed, data=held), folder / f"seed{seed}.json")
    for recipe in "ab":
        attempt = Attempt(experiment="smallest", network="n", recipe=recipe, seeds=(0,), commit=None, date="2026-01-02")
        note_attempt(tmp_path / "results" / "touches.json", attempt, begun=True)
    runs = [record("smallest", [99.40] * 14 + [99.46 + 0.01 * seed], seed) for seed in range(10)]
    found = {"smallest": runs, "f3": TEN}
    page = leaderboard.page(gathered(found, tmp_path)["smallest"], found)
    assert "| 1 | 5,000 | 99.42 | 99.30 |" in page and "Mean of the last epochs 99.440 %" in page
    assert "10 of 10 seeds within budget. Test-set evaluations: 2." in page
    # Every seed is 0.1 below f3's: the interval is nothing.
    assert "f3 beats smallest by 0.100 points (95 % interval +0.100 to +0.100, p < 0.001, 10 seeds)." in page
    assert "| 9 | 99.55 | 99.40 | 98.00 |" in page and "**Cleared:** all that is asked for." in page
    assert "fewer than 3,500 parameters" in page.lower() and "MACs an image" in page


def test_the_ladder_s_page_takes_ten_seeds_beside_five() -> None:
    f2 = [record("f2", [99.3] * 14 + [99.36 + 0.01 * seed], seed) for seed in range(5)]
    page = ladder_pages.ladder_page("f", {"f2": f2, "f3": TEN}, "f.svg")
    assert "± 0.03 | 99.47 | 99.00 | – | 10 of 10 | 10 of 10 |" in page
    assert "(seeds: 10, parent 5)" in page


def test_a_page_says_what_looking_for_hard_images_costs(tmp_path: Path) -> None:
    everything = gathered({}, tmp_path)
    # 15 epochs: the first and the last two take each image once.
    assert "evaluates all training images at the start of 12 epochs" in leaderboard.page(everything["f3"], {})
    assert "evaluates all training images at" not in leaderboard.page(everything["fastest"], {})


def test_a_page_tells_what_the_program_takes_on_a_chip(tmp_path: Path) -> None:
    [one] = [one for one in candidate_record.gather({}, tmp_path, "cifar10") if one.experiment.id == "cifar-mcu"]
    page = leaderboard.page(one, {})
    cost = deployed(find("cifar-mcu").build().eval(), (3, 32, 32), 10)
    assert (cost.flash, cost.ram) == (24_350, 11_476)  # as `show` tells too
    assert "takes 24.4 kB of flash and 11.5 kB of RAM, code and stack included." in page
    assert "digit" not in page
    with_c = [record("cifar-mcu", [84.0] * 60, seed, c_accuracy=83.5 + 0.1 * seed) for seed in range(5)]
    done = replace(one, records=tuple(with_c))
    page = leaderboard.page(done, {"cifar-mcu": with_c})
    assert "As programs in 8-bit C: mean 83.700 %, worst 83.50 %." in page
    assert done.standing == "cleared, not yet confirmed on fresh seeds"


def test_limits_are_told_on_the_page(tmp_path: Path) -> None:
    everything = gathered({}, tmp_path)
    assert "**Budget of each run.** Fewer than 8,000 parameters, fewer than 250,000 MACs an image," in leaderboard.page(
        everything["leanest"], {}
    )
    assert "at most 15 s of training" in leaderboard.page(everything["fastest"], {})


# ------------------------------------------------------------------------------------------- fronts


def test_a_front_leaves_out_what_is_beaten() -> None:
    points = [(5, 99.0), (5, 99.2), (4, 98.0), (9, 99.2), (10, 99.5), (11, 99.4)]
    assert best_by_cost(points) == [(4, 98.0), (5, 99.2), (10, 99.5)]
    assert best_by_cost([]) == []


def test_the_picture_has_four_panels_with_fronts_intervals_and_rings() -> None:
    small = Point(name="small", accuracy=99.2, low=99.1, high=99.3, parameters=2000, flash=3e3, macs=1e5, seconds=20)
    large = Point(name="large", accuracy=99.5, parameters=8000, flash=9e3, macs=1e6, seconds=10)
    ring = Point(name="theirs", accuracy=99.56, parameters=7496)
    panels = pareto_fronts([small, large], [ring], ["small"]).axes
    costs = ["parameters", "bytes of flash in 8-bit C", "multiply-adds an image", "seconds of training"]
    assert [axes.get_xlabel() for axes in panels] == costs
    steps = [next(line for line in axes.lines if line.get_drawstyle() == "steps-post") for axes in panels]
    assert [list(line.get_xdata()) for line in steps] == [
        [2000, 8000, 8000],
        [3e3, 9e3, 9e3],
        [1e5, 1e6, 1e6],
        [10, 20],
    ]
    bars = [[line for line in axes.lines if list(line.get_ydata()) == [99.1, 99.3]] for axes in panels]
    rings = [[line for line in axes.lines if list(line.get_ydata()) == [99.56]] for axes in panels]
    assert list(map(len, bars)) == [1] * 4 and list(map(len, rings)) == [1, 0, 0, 0]
    assert [sorted(text.get_text() for text in axes.texts) for axes in panels] == [["large", "small"]] * 4


def test_names_in_the_picture_cover_no_other_and_stay_inside() -> None:
    near = [Point(name=f"name {n}", accuracy=99.5 + 0.01 * n, parameters=5000 + 20 * n) for n in range(3)]
    far = [Point(name=f"far {n}", accuracy=99.2, parameters=n) for n in (500, 50_000)]
    figure = pareto_fronts([*near, *far], [], [point.name for point in (*near, *far)])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 5
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert all(axes.bbox.x0 - 1 <= box.x0 and box.x1 <= axes.bbox.x1 + 1 for box in boxes)
