"""A task small enough to train in a second: bars of four orientations, 53 training and 23 test images of 11 x 13."""

import torch
from torch import nn

from featherweight.data.dataset import Data
from featherweight.data.split import Split
from featherweight.engine import Engine, build_engine
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Augment, OneCycle, Recipe
from featherweight.networks.layers.blocks import conv_norm_relu
from featherweight.training.evaluation import EVALUATION_BATCH
from featherweight.training.loop import fit
from featherweight.training.state import State, draw_seed, initial_state

CLASSES = ("horizontal", "vertical", "falling", "rising")


def bars(count: int, seed: int) -> Split:
    draws = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(CLASSES)
    images = torch.randint(0, 60, (count, 1, 11, 13), generator=draws, dtype=torch.uint8)
    for image, label in zip(images, labels, strict=True):
        shift = int(torch.randint(-2, 3, (), generator=draws))
        for t in range(-4, 5):
            row, column = {0: (shift, t), 1: (t, shift), 2: (t, t + shift), 3: (t, shift - t)}[int(label)]
            image[0, 5 + row, min(12, max(0, 6 + column))] = 255
    return Split(images=images, labels=labels)


def data() -> Data:
    return Data(
        name="bars",
        source="bars",
        classes=CLASSES,
        train=bars(53, 1),
        test=bars(23, 2),
        holdout=0,
        mean=(0.15,),
        std=(0.3,),
        digests={},
    )


def network(channels: int = 1, classes: int = 4) -> nn.Sequential:
    return nn.Sequential(
        conv_norm_relu(channels, 5, dropout=0.1), nn.MaxPool2d(2), conv_norm_relu(5, 7), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(7, classes),
    )  # fmt: skip


RECIPE = Recipe(
    epochs=3,
    batch=16,
    lr=0.1,
    weight_decay=1e-3,
    schedule=OneCycle(),
    augment=Augment(rotate_deg=5, shift_px=1),
    average=0.9,
)


def experiment(recipe: Recipe = RECIPE, budget: Budget | None = None) -> Experiment:
    budget = budget or Budget(parameters=1000, epochs=50, accuracy=60, held=1)
    return Experiment(id="bars", title="bars", network=network, recipe=recipe, budget=budget)


def engines_of(state: State, recipe: Recipe, kind: str = "torch") -> tuple[Engine, Engine]:
    """Engines for the trained and the kept network."""

    def bound(module: nn.Module, batch: int) -> Engine:
        return build_engine(kind, module, recipe, shape=(1, 11, 13), device=torch.device("cpu"), batch=batch)

    trainer = bound(state.network, recipe.batch)
    return trainer, trainer if state.averaged is None else bound(state.ema_network, EVALUATION_BATCH)


def fresh(recipe: Recipe = RECIPE, seed: int = 0) -> State:
    torch.manual_seed(draw_seed(seed, "weights"))
    return initial_state(network(), recipe, torch.device("cpu"), images=53)


def trained(recipe: Recipe = RECIPE, seed: int = 0) -> State:
    state = fresh(recipe, seed)
    for _ in fit(state, data(), recipe, seed, *engines_of(state, recipe)):
        pass
    return state
