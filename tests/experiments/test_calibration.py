"""When "none of these" is answered: the promises of threshold, sets and temperature on pictures that nothing was fitted
to, and the file that keeps them."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featherweight.errors import FileError, UsageError
from featherweight.experiments.calibration import (
    COVERED,
    FILE,
    REFUSED,
    ROOM,
    Calibration,
    Floats,
    Usual,
    distance,
    evidence,
    fitted,
    fitted_temperature,
    read_calibration,
    softmax,
    threshold_of,
    usual_scores,
)

DRAWS = 20


def drawn(count: int, seed: int, classes: int = 5, shift: float = 3.0) -> tuple[Floats, Any]:
    """Scores of a network that is right about nine times of ten, and labels."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, classes, count)
    scores = draws.normal(0, 1.5, (count, classes))
    scores[np.arange(count), labels] += shift + draws.normal(0, 1, count)
    return scores, labels


def test_at_most_the_promised_share_lies_below_the_threshold() -> None:
    # Below the threshold x of a sample from 0 to 1 lies the share x of all: 19 of 20 samples keep the promise.
    kept = [threshold_of(np.random.default_rng(seed).uniform(size=300)) for seed in range(400)]
    shares = np.array([least for least in kept if least is not None])
    assert len(shares) == 400 and 0.94 <= (shares <= 0.05).mean() < 0.99
    assert 0.02 < shares.mean() < 0.05  # and it is no smaller than it must be


@pytest.mark.parametrize(("share", "least"), [(0.05, 59), (0.01, 299), (0.1, 29)])
def test_too_few_pictures_or_groups_have_no_threshold(share: float, least: int) -> None:
    # The smallest of n is promised to be low enough if 1 - (1 - share)^n is 95 % or more.
    assert threshold_of(np.arange(least - 1.0), share) is None
    assert threshold_of(np.arange(float(least)), share) == 0.0
    assert threshold_of(np.arange(10_000.0), share, groups=least - 1) is None
    assert threshold_of(np.arange(10_000.0), share, groups=least) == 10_000 // least - 1


def test_sets_hold_the_right_class_nineteen_times_of_twenty() -> None:
    covered, sizes = [], []
    for seed in range(DRAWS):
        scores, labels = drawn(1500, seed)
        known = fitted(scores[:500], labels[:500], np.ones(500), Usual(evidence=1.0), by="itself")
        others, truth = scores[500:], labels[500:]
        sets = [known.choices(row) for row in softmax(others / known.temperature)]
        assert [found[0] for found in sets] == others.argmax(1).tolist()
        covered.append(np.mean([right in found for right, found in zip(truth, sets, strict=True)]))
        sizes.append(np.mean([len(found) for found in sets]))
    assert 0.96 < np.mean(covered) < 0.98, covered
    assert sum(share > 0.945 for share in covered) >= 0.9 * DRAWS and 1.05 < np.mean(sizes) < 2.5


def test_the_temperature_undoes_scores_that_are_too_sure() -> None:
    draws = np.random.default_rng(3)
    scores = draws.normal(0, 2, (20_000, 4))
    shares = softmax(scores)
    labels = (shares.cumsum(1) < draws.uniform(size=(20_000, 1))).sum(1)
    # Of 60 that are all right and one more of any of four classes, each wrong one has 1 / 244 of the whole.
    sure, wrong = 10 * np.eye(4)[np.arange(60) % 4], 1 / (4 * 61)
    assert fitted_temperature(sure, np.arange(60) % 4) == pytest.approx(10 / np.log((1 - 3 * wrong) / wrong), rel=0.01)
    for factor in (0.5, 1.0, 3.0):
        assert fitted_temperature(scores * factor + 7, labels) == pytest.approx(factor, rel=0.03)


def test_what_is_known_and_what_is_not() -> None:
    scores, labels = drawn(4000, 1, shift=9)
    usual = usual_scores(scores[:2000], labels[:2000])
    assert usual.table is not None and usual.step * np.diag(usual.table).min() > 5
    held = scores[2000:]
    known = fitted(held, labels[2000:], usual.margin(held), usual, by="itself")
    refused = known.unknown(held)
    assert refused is not None and ROOM * 0.025 < refused.mean() <= ROOM * 0.05
    assert known.refused["held-out images"] == (int(refused.sum()), 2000)
    # Scores that are all low, and scores as high as a class's but of another shape: what either limit is there for.
    low, odd = 0.2 * held, held + 8 * (np.arange(5) == (1 + held.argmax(1, keepdims=True)) % 5)
    assert known.threshold is not None and known.farthest is not None
    assert (evidence(low) < known.threshold).mean() > 0.9
    assert (evidence(odd) > known.threshold).mean() > 0.9
    assert (distance(odd, known.templates()) > known.farthest).mean() > 0.6
    shifted = known.unknown(held + 100)
    assert shifted is not None and (shifted != refused).sum() <= 1  # the one that the limit is taken from


def test_many_classes_or_few_pictures_of_one_have_a_threshold_alone() -> None:
    for count, classes in ((4000, 13), (40, 5)):
        usual = usual_scores(*drawn(count, 1, classes, shift=9))
        assert usual.table is None and usual.evidence > 1
    scores, labels = drawn(4000, 1, 13, shift=9)
    known = fitted(scores, labels, usual.margin(scores), usual, by="itself")
    assert known.typical is None and known.threshold is not None and known.unknown(scores) is not None


def test_too_few_pictures_give_a_temperature_and_say_so() -> None:
    scores, labels = drawn(40, 2)
    usual = usual_scores(*drawn(400, 1))
    known = fitted(scores, labels, usual.margin(scores), usual, by="itself")
    assert known.threshold is None and known.typical is None and known.unknown(scores) is None
    assert len(known.lines()) == 1 and "too few" in known.lines()[0] and known.temperature > 0
    with pytest.raises(UsageError, match="refuse is a percentage above 0 and below 100; given 100"):
        fitted(scores, labels, usual.margin(scores), usual, by="itself", refuse=100)


def test_the_file_is_read_back_and_nothing_else_is(tmp_path: Path) -> None:
    scores, labels = drawn(400, 1, shift=9)
    usual = usual_scores(scores, labels)
    known = replace(fitted(scores, labels, usual.margin(scores), usual, by="itself"), weights="ab")
    known.save(tmp_path)
    assert read_calibration(tmp_path, "ab", 5) == known and isinstance(known, Calibration)
    for weights, classes in (("ac", 5), ("ab", 4)):
        with pytest.raises(FileError, match="other weights"):
            read_calibration(tmp_path, weights, classes)
    values = json.loads(json.dumps(asdict(known)))
    wrong = [
        {"temperature": 0},
        {"threshold": "x"},
        {"typical": [[1, 2], [3]]},
        {"farthest": None},
        {"typical": [[200]]},
    ]
    for change in wrong:
        (tmp_path / FILE).write_text(json.dumps(values | change))
        with pytest.raises(FileError, match=FILE):
            read_calibration(tmp_path, "ab", 5)


def test_the_rule_is_the_one_that_the_record_speaks_for() -> None:
    """Least room for which no other seed's network refused too many of the other half; the table as it refuses more."""
    rule = json.loads((Path(__file__).parents[2] / "results" / "unknown.json").read_text())["rule"]
    rooms = {one["room"] for one in rule["refused"]}
    kept = [one for one in rule["refused"] if one["table"]]
    worst = {room: max(one["next"] for one in kept if one["room"] == room) for room in rooms}
    assert max(room for room in rooms if worst[room] <= REFUSED) == ROOM
    strange = [[one["strangers"] for one in rule["refused"] if one["table"] == table] for table in (True, False)]
    assert np.mean(strange[0]) > np.mean(strange[1]) + 5
    sure = [one["covered"] for one in rule["sets"] if one["cover"] == COVERED]
    assert len(sure) == 20 and min(sure) >= COVERED
