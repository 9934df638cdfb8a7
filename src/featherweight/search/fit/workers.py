"""What a process does to train a candidate on one core: it tells how far it is, and in the end what is right."""

import atexit
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from featherweight.data.split import Split
from featherweight.errors import FeatherweightError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.io import scratch_folder
from featherweight.networks.architecture import build_layers
from featherweight.parallel.transfer import Files, put
from featherweight.search.fit.candidate import candidate_layers, candidate_recipe
from featherweight.search.fit.resized import part
from featherweight.search.fit.trial import TrialTask, TrialUpdate, loss_level
from featherweight.training.evaluation import predict_batches
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import Prepared, prepare

TELL_SECONDS = 0.5
LONGEST = 500
"""Characters of the words in which a candidate's failure is noted."""
NO_LIMIT = Budget(parameters=1 << 26, epochs=100_000, accuracy=0, held=1)


_unpacked: dict[tuple[tuple[str, str], ...], Path] = {}
_folders = ExitStack()
atexit.register(_folders.close)


def serve(work: TrialTask, views: "Path | Files", classes: tuple[str, ...], *, stopped: Any) -> Iterator[TrialUpdate]:
    """Carry out a work, with the views in a folder, or as files that a node keeps for its process's life."""
    torch.set_num_threads(1)
    if isinstance(views, Files):
        key = tuple(sorted(views.digests.items()))
        if key not in _unpacked:
            _unpacked[key] = _folders.enter_context(scratch_folder())
            put(views, _unpacked[key])
        views = _unpacked[key]
    for update in train_candidate(work, views, classes):
        yield update
        if stopped():
            return


def train_candidate(work: TrialTask, folder: Path, classes: tuple[str, ...]) -> Iterator[TrialUpdate]:
    """Train the candidate on its fold, telling how far it is, and at the end how many held-out images it gets right."""
    data = part(folder, work.genes.side, work.genes.grey, work.fold, classes)
    if work.share < 1:
        draws = torch.Generator().manual_seed(work.seed)
        taken = torch.randperm(len(data.train), generator=draws)[: max(1, round(work.share * len(data.train)))]
        data = replace(data, train=data.train.take(taken))
    _, channels, height, width = data.train.images.shape
    recipe = candidate_recipe(work.genes, work.epochs, len(data.train), (channels, height, width))
    layers = candidate_layers(work.genes)
    experiment = Experiment(
        id=f"trial{work.trial}", title="", recipe=recipe, budget=NO_LIMIT,
        network=lambda channels=1, classes=10: build_layers(layers, channels, classes),
    )  # fmt: skip
    started = last = time.monotonic()
    tell = partial(TrialUpdate, work=work)
    unseen = replace(data, test=data.test.take(torch.arange(1)))  # what is measured after each epoch is not used here
    try:
        run = prepare(experiment, unseen, seed=work.seed, threads=1)
        started = time.monotonic()
        steps = recipe.epochs * -(-len(data.train) // recipe.batch)
        each = steps // recipe.epochs
        for state in fit(run.state, run.data, recipe, run.seed, run.engine, run.evaluator):
            if time.monotonic() - last > TELL_SECONDS:
                last = time.monotonic()
                yield tell(done=(state.epoch * each + state.step) / steps, seconds=last - started)
        losses, answers = held_out_answers(run, data.test)
        loss = sum(losses) / len(losses)
    except Exception as problem:  # whatever it is, the other candidates go on
        yield tell(done=1.0, seconds=time.monotonic() - started, failed=_words(problem))
        return
    if math.isfinite(loss):
        right = [answer == label for answer, label in zip(answers, data.test.labels.tolist(), strict=True)]
        images = bytes(2 * loss_level(loss) + hit for loss, hit in zip(losses, right, strict=True))
        yield tell(
            done=1.0, seconds=time.monotonic() - started, correct=sum(right), judged=len(data.test), loss=loss,
            images=images, losses=losses, answers=answers,
        )  # fmt: skip
    else:
        yield tell(done=1.0, seconds=time.monotonic() - started, failed="its loss on held-out images is not a number.")


def held_out_answers(run: Prepared, held: Split) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """The loss of each held-out image, and the class that the network gives it."""
    losses: list[float] = []
    answers: list[int] = []
    for scores, labels in predict_batches(run.evaluator, held, run.data.mean, run.data.std):
        losses += functional.cross_entropy(scores, labels, reduction="none").tolist()
        answers += scores.argmax(1).tolist()
    return tuple(losses), tuple(answers)


def _words(problem: Exception) -> str:
    """Why a candidate failed, in a line."""
    if isinstance(problem, MemoryError):
        return f"not enough memory: {problem}"
    line = next(iter(str(problem).splitlines()), "")
    return line[:LONGEST] if isinstance(problem, FeatherweightError) else f"{type(problem).__name__}: {line}"[:LONGEST]
