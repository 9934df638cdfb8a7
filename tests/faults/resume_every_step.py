"""Every step of a two-epoch run saved and resumed, for each optimiser, schedule, averaging and augmentation."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from featherweight import engine as engines
from featherweight.data.dataset import Data
from featherweight.engine import Engine
from featherweight.experiments.recipe import SCHEDULES, Augment, MultiStep, Recipe, Step
from featherweight.experiments.recipe import Schedule as AnySchedule
from featherweight.training.loop import fit
from featherweight.training.runs.checkpoint import load_state, save_state
from featherweight.training.state import State, draw_seed, initial_state

from .harness import FAST, warmed

OPTIMIZERS = ("sgd", "adam", "adamw")
AVERAGES = (0.0, 0.9)
AUGMENTS = (
    Augment(),
    Augment(rotate_deg=5, shift_px=1, scale=0.1, shear=0.1, perspective=0.1, elastic_px=0.5, erase=0.5),
)
EVENTS = 10
"""Two epochs of four steps and an evaluation each."""


def recipes() -> Iterator[Recipe]:
    """All that are crossed."""
    for optimizer in OPTIMIZERS:
        for kind in SCHEDULES.values():
            for average in AVERAGES:
                for augment in AUGMENTS:
                    yield Recipe(
                        epochs=2, batch=16, optimizer=optimizer, lr=0.1 if optimizer == "sgd" else 0.01,
                        schedule=_schedule(kind), average=average, augment=augment, weight_decay=1e-3,
                    )  # fmt: skip


def _schedule(kind: type[AnySchedule]) -> AnySchedule:
    if kind is Step:
        return Step(every_epochs=1)
    return MultiStep(at_epochs=(2,)) if kind is MultiStep else kind()


def trial(engine: str, every: int = 1) -> dict[str, Any]:
    """How many of the places where each `every`th recipe's run can be left lead to an identical end."""
    data = small()
    chosen = list(recipes())[::every]
    same = 0
    with TemporaryDirectory(prefix="steps-", dir=FAST) as name:
        for recipe in chosen:
            same += sum(_identical(recipe, data, engine, Path(name)))
    return {"engine": engine, "recipes": len(chosen), "places": EVENTS * len(chosen), "identical": same}


def small() -> Data:
    """53 training and 23 test images of the embedded digits."""
    data = warmed()[1]
    first = torch.arange(len(data.train)) < 53
    return replace(data, train=data.train.take(first), test=data.test.take(torch.arange(len(data.test)) < 23))


def _identical(recipe: Recipe, data: Data, engine: str, folder: Path) -> Iterator[bool]:
    """For each place but the end: whether a run that is left there and resumed ends bit for bit the same."""
    whole = _fresh(recipe, 0)
    places = [folder / f"state{at}.safetensors" for at in range(EVENTS)]
    save_state(whole, {}, places[0])
    for at, state in enumerate(fit(whole, data, recipe, 0, *_engines(whole, recipe, engine)), start=1):
        if at < EVENTS:
            save_state(state, {}, places[at])
    for place in places:
        again = _fresh(recipe, 99)
        load_state(again, {}, place)
        for _ in fit(again, data, recipe, 0, *_engines(again, recipe, engine)):
            pass
        yield _all_of(again) == _all_of(whole)


def _fresh(recipe: Recipe, seed: int) -> State:
    torch.manual_seed(draw_seed(seed, "weights"))
    experiment, data = warmed()
    return initial_state(experiment.build(), recipe, torch.device("cpu"), len(data.train))


def _engines(state: State, recipe: Recipe, engine: str) -> tuple[Engine, Engine]:
    def bound(module: torch.nn.Module, batch: int) -> Engine:
        return engines.build_engine(engine, module, recipe, shape=(1, 28, 28), device=torch.device("cpu"), batch=batch)

    trainer = bound(state.network, recipe.batch)
    return trainer, trainer if state.averaged is None else bound(state.ema_network, 1)


def _all_of(state: State) -> list[Any]:
    """Weights, average, optimiser, learning rate and rows, without seconds, so that == compares bits."""
    tensors = [*state.network.state_dict().values(), *state.ema_network.state_dict().values()]
    for slots in state.optimizer.state_dict()["state"].values():
        tensors += [value for _, value in sorted(slots.items()) if value is not None]
    rows = [replace(row, seconds=0.0) for row in state.rows]
    return [state.lr, rows, *[tensor.detach().numpy().tobytes() for tensor in tensors]]
