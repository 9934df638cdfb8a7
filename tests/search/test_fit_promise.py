"""What held-out images promise, and the front: intervals that allow for groups and for having looked at many."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from featherweight.errors import UsageError
from featherweight.search.fit import front
from featherweight.search.fit.asha import Population
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.cost import Cost, Limits
from featherweight.search.fit.groups import Groups
from featherweight.search.fit.promise import promise
from featherweight.search.fit.state import FitState
from featherweight.search.fit.trial import LAST, Aim, Trial, TrialTask, TrialUpdate


def search_of(rights: list[np.ndarray], groups: torch.Tensor | None = None, aim: Aim | None = None) -> FitState:
    """A search whose candidates got these of the held-out images right, after the whole training."""
    images = len(rights[0])
    population = Population(aim=aim or Aim(), seed=0, sizes=1, coloured=False, folds=1, race=[], prior=[])
    fold = torch.cat([torch.ones(images, dtype=torch.bool), torch.zeros(images, dtype=torch.bool)])
    views = SimpleNamespace(
        folds=(fold,), labels=torch.zeros(2 * images, dtype=torch.int64), classes=("a", "b"), sizes=(),
        groups=None if groups is None else Groups(of=torch.cat([groups, groups + 10_000]), by="test"),
    )  # fmt: skip
    for number, right in enumerate(rights):
        genes = Candidate(stem=3 + number)
        work = TrialTask(trial=number, genes=genes, epochs=9)
        price = Cost(flash=1000 * (number + 1), ram=500, macs=10, parameters=5, cycles=64_000 * (number + 1))
        one = Trial(number=number, genes=genes, price=price, shape=(1, 8, 8))
        update = TrialUpdate(work=work, done=1, seconds=1, correct=int(right.sum()), judged=images, loss=1.0,
                             images=bytes(right.astype(np.uint8)))  # fmt: skip
        for rung in range(LAST + 1):
            one.planned[rung], one.updates[rung] = [work], [update]
        population.trials.append(one)
    return FitState(views=views, aim=population.aim, population=population, seconds=1.0, finish=1.0, file=Path("none"))


def test_the_best_of_many_equal_candidates_promises_what_they_all_are():
    """Forty searches of forty candidates that are all at 90 %: what the best seems to be, and what is promised."""
    draws = np.random.default_rng(0)
    seemed, promised, covered = [], [], 0
    for _ in range(40):
        rights = [draws.random(200) < 0.9 for _ in range(40)]
        search = search_of(rights)
        best = max(search.population.trials, key=Trial.accuracy)
        found = promise(search, best)
        seemed.append(best.accuracy())
        promised.append(found.accuracy)
        covered += found.low <= 90 <= found.high
        assert found.candidates == 40 and found.images == found.groups == 200
    assert np.mean(seemed) > 94 and abs(np.mean(promised) - 90) < 1.0 and covered >= 38
    (alone,) = [promise(search, search.population.trials[0]) for search in [search_of(rights[:1])]]
    assert alone.accuracy == pytest.approx(100 * rights[0].mean())  # nothing was chosen, nothing is taken off


def test_images_that_are_judged_twice_count_once():
    search = search_of([np.random.default_rng(2).random(300) < 0.9])
    search.views.folds *= 2
    trial = _only(search)
    (update,) = trial.updates[LAST]
    again = replace(update, work=replace(update.work, fold=1))
    trial.planned[LAST], trial.updates[LAST] = [update.work, again.work], [update, again]
    found = promise(search, trial)
    assert trial.counts(LAST)[1] > 300 and found.images == found.groups == 300 and "300 held-out" in found.words()


def test_the_interval_is_wider_where_whole_groups_are_right_or_wrong():
    draws = np.random.default_rng(1)
    of = torch.arange(20).repeat_interleave(20)
    skill = draws.choice([0.5, 0.99], size=20)
    right = draws.random(400) < skill[of.numpy()]
    by_image, by_group = (promise(search, _only(search)) for search in (search_of([right]), search_of([right], of)))
    assert by_group.groups == 20 and by_image.groups == 400 and by_group.accuracy == by_image.accuracy
    assert by_group.high - by_group.low > 1.5 * (by_image.high - by_image.low)
    assert "of 20 groups" in by_group.words() and "groups" not in by_image.words()


def _only(search: FitState) -> Trial:
    return search.population.trials[0]


def test_seeds_that_differ_widen_the_interval():
    right = np.arange(1000) % 20 > 0
    search = search_of([right])
    near, far = (promise(search, _only(search), seeds) for seeds in ([95.0, 95.1], [93.0, 97.0]))
    assert near.low > far.low + 2 and far.high >= near.high and near.accuracy == far.accuracy == 95.0


def test_the_front_holds_what_no_other_beats_and_hands_over_any_point():
    images = np.arange(100)
    search = search_of([images < wrong for wrong in (80, 70, 90, 95, 60)])
    for number, ram in ((1, 400), (3, 5000)):
        one = search.population.trials[number]
        one.price = replace(one.price, ram=ram)
    points = front.front_points(search)
    # The second needs the least RAM, the fourth is the most accurate; the last is beaten by the first in everything.
    found = [(one["point"], one["accuracy"], one["flash"]) for one in points]
    assert found == [(1, 80, 1000), (2, 70, 2000), (3, 90, 3000), (4, 95, 4000)]
    assert points[0]["milliseconds"] == 1.0 and points[0]["interval"][0] == pytest.approx(71.1, abs=0.1)
    assert front.point_trial(search, 3) is search.population.trials[2]
    assert len(front.front_lines(search)) == 5 and "90.00 %" in front.front_lines(search)[3]
    with pytest.raises(UsageError, match="points 1 to 4; given --point 5"):
        front.point_trial(search, 5)
    tight = search_of([images < 80, images < 90], aim=Aim(limits=Limits(flash=1500)))
    assert [one["point"] for one in front.front_points(tight)] == [1]
    with pytest.raises(UsageError, match="still empty"):
        front.point_trial(search_of([images < 80], aim=Aim(limits=Limits(flash=10))), 1)
