"""The published rungs against the public code of their sources: every layer, field and rate, not only the counts."""

import math
from pathlib import Path

import pytest
from docs.build.published import published, published_log
from torch import nn

from featherweight.experiments.experiment import Experiment, find
from featherweight.experiments.record import Row
from featherweight.networks.anatomy import dissect
from featherweight.training.schedule import rate

COMPANIONS = Path(__file__).parents[2] / "benchmarks" / "companions"
_A3 = "C4+ R{} C8+ R{} P V12+ R{} V12+ R{} P V16+ R{} V16+ R{} K10+"
_A7 = "C8+ R N D C8+ R N D P V12+ R N D V16+ R N D P V20+ R N D A3 L10+"
_B4 = "C9 D R N C10 D R P N C16 D R N C16 D R P N C16 D R G N K32 D R N K10+"
_E = "V10 R N{0} V21 R N D K9{0} P V12 R N D V16 R N D P V16 R N D G K20+ R{0} K10+"
LAYERS = {
    "a2": "V16+ R V16+ R P V32+ R P V32+ R V32+ R K10+",
    "a3": _A3.format(*[""] * 6),
    "a4": _A3.format(*[" N"] * 6),
    "a5": _A3.format(*[" N D"] * 6),
    "a6": "C4+ R N D C8+ R N D P V12+ R N D V12+ R N D P V16+ R N D K10+ A3",
    **dict.fromkeys(("a7", "a8", "a9"), _A7),
    "a10": "C8+ R N D C8+ R N D P C16+ R N D C16+ R N D V32+ R N D P V32+ R N D K10+ A4",
    "b1": "C32 R C32 R P C64 R C64 R P C128 R G K256 R K10+",
    "b2": "C9 R C10 R P C16 R C16 R P C16 R G K32 R K10+",
    "b3": "C9 R N C10 R P N C16 R N C16 R P N C16 R G N K32 R N K10+",
    **dict.fromkeys(("b4", "b5", "b6"), _B4),
    "c1": "V10 R V10 R V20 R P K10 R V10 R V20 R K10 R V7x10",
    "c2": "V8 N R D V16 N R D P K8 N R D V10 N R D V16 N R D V16 N R D K10 A6",
    "c2_code": "V8 N R D V16 N R D P K8 N R V10 N R D V16 N R D V16 N R D K10 A6",
    "c3": "V8 N R D V16 N R D P K8 N R V8 N R D V12 N R D V12 N R D V16 N R D A4 K10",
    "d1": "V4 N R D V8 N R D V12 N R D V16 N R D P K12 N R K8 N R V12 N R D V16 N R D V20 N R K16 N R A4 K10",
    "e1": "V10 R N V21 R N K9 P V12 R N V16 R N P V4x10",
    **dict.fromkeys(("e2", "e3"), _E.format(" D")),
    **dict.fromkeys(("e2_code", "e3_code"), _E.format("")),
}
"""Convolutions of 3 x 3 that keep the size (C) or are not padded (V, with another side as 7x) and of 1 x 1 (K), each
with its channels and + where it has a bias; R is ReLU, N batch norm, D dropout, P a pool of 2, G the average of all
places, A of that many along a side, L a linear layer. c2, e2 and e3 follow the write-ups, which drop after every layer,
and their companions the code."""
DROPPED = {**dict.fromkeys(("a5", "a6", "a7", "a8", "a9"), 0.05), "a10": 0.02, "b4": 0.01, "b5": 0.01, "b6": 0.01,
           "c2": 0.05, "c3": 0.05, "d1": 0.025, "e2": 0.05, "e3": 0.05}  # fmt: skip
FIELDS = {
    "a2": [3, 5, 6, 10, 12, 20, 28, 28], "a3": [3, 5, 6, 10, 14, 16, 24, 32, 32],
    "a7": [3, 5, 6, 10, 14, 16, 24, 32], "c1": [3, 5, 7, 8, 8, 12, 16, 16, 28],
    "c2": [3, 5, 6, 6, 10, 14, 18, 18, 28], "e1": [3, 5, 5, 6, 10, 14, 16, 28],
    "e2": [3, 5, 5, 6, 10, 14, 16, 24, 28, 28, 28],
}  # fmt: skip
"""Of all layers but the linear ones, in pixels, as they follow from the code."""
RATES = {
    "a1 a2 a3 a4 a5": {1: 0.01, 9: 0.001, 17: 0.0001},
    "a6 a7 a8": {1: 0.01, 7: 0.001, 13: 0.0001, 19: 0.00001},
    "a10": {1: 0.01, 8: 0.001, 15: 0.0001},
    "b1 b2 b3 b4 b5 c1 c2 e1 e2": {1: 0.01},
    "c3": {1: 0.02, 7: 0.002, 13: 0.0002},
    "d1": {1: 0.01, 7: 0.003, 13: 0.0009, 19: 0.00027},
    "e3": {1: 0.3, 6: 0.09, 11: 0.027},
    "e3_code": {1: 0.03, 6: 0.009, 11: 0.0027},
}
STEPS = {id: steps for names, steps in RATES.items() for id in names.split()}
"""The rate from each epoch on."""


def found(id: str) -> Experiment:
    return find(str(COMPANIONS / f"{id}.py") if "_" in id else id)


def token(layer: nn.Module) -> str:
    """The layer in the notation above; empty for what neither learns nor changes a number but its shape or scale."""
    if isinstance(layer, nn.Conv2d):
        side, padding = layer.kernel_size[0], layer.padding
        assert layer.stride == (1, 1) and layer.groups == 1 and layer.kernel_size == (side, side)
        kinds = {(1, (0, 0)): "K", (3, (1, 1)): "C"}
        kind = kinds.get((side, padding), "V" if side == 3 else f"V{side}x")  # type: ignore[arg-type]
        assert kind[0] != "V" or padding == (0, 0)
        return kind + str(layer.out_channels) + "+" * (layer.bias is not None)
    if isinstance(layer, nn.Linear):
        return f"L{layer.out_features}" + "+" * (layer.bias is not None)
    if isinstance(layer, nn.MaxPool2d):
        assert (layer.kernel_size, layer.stride) == (2, 2)
        return "P"
    if isinstance(layer, nn.AvgPool2d):
        return f"A{layer.kernel_size}"
    kinds_of = {nn.ReLU: "R", nn.BatchNorm2d: "N", nn.Dropout: "D", nn.Dropout2d: "D", nn.AdaptiveAvgPool2d: "G"}
    return "" if isinstance(layer, nn.Flatten | nn.LogSoftmax) else kinds_of[type(layer)]


@pytest.mark.parametrize("id", LAYERS)
def test_every_layer_stands_where_its_source_has_it(id: str) -> None:
    layers = [one for one in found(id).build().modules() if not list(one.children())]
    assert " ".join(filter(None, map(token, layers))) == LAYERS[id]
    dropouts = [one for one in layers if isinstance(one, nn.Dropout | nn.Dropout2d)]
    assert {one.p for one in dropouts} == ({DROPPED[id]} if id in DROPPED else {0.05} if "_code" in id else set())
    assert {type(one) for one in dropouts} <= {nn.Dropout2d if id[0] == "a" else nn.Dropout}


@pytest.mark.parametrize("id", FIELDS)
def test_fields_follow_from_the_layers(id: str) -> None:
    kinds = {"Conv2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d"}
    assert [row.field for row in dissect(find(id).build()).rows if row.kind.split()[0] in kinds] == FIELDS[id]


def test_the_norms_and_the_dropout_add_what_the_source_counts() -> None:
    assert len(LAYERS) == 25
    # 99 channels are normed, two parameters each; dropout has none.
    assert 7_781 + 2 * (9 + 10 + 16 + 16 + 16 + 32) == 7_979
    for id in ("b3", "b4", "b5", "b6"):
        assert sum(p.numel() for p in find(id).build().parameters()) == 7_979


def row(epoch: int, loss: float, accuracy: float) -> Row:
    return Row(epoch=epoch, lr=0.1, seconds=1.0, train_loss=loss, train_accuracy=accuracy, test_loss=loss,
               test_accuracy=accuracy)  # fmt: skip


@pytest.mark.parametrize("id", STEPS)
def test_the_rate_of_every_epoch_is_the_source_s(id: str) -> None:
    recipe = found(id).recipe
    for epoch in range(1, recipe.epochs + 1):
        wanted = STEPS[id][max(start for start in STEPS[id] if start <= epoch)]
        assert math.isclose(rate(recipe, (epoch - 1) * 10, 10, ()), wanted, rel_tol=1e-9), epoch
    if id in ("a10", "d1", "b1", "e1", "e2"):
        wanted = [rate(recipe, at * 10, 10, ()) for at in range(recipe.epochs)]
        assert published_log(id)["lr"] == pytest.approx(wanted)


@pytest.mark.parametrize("id", ["a9", "b6"])
def test_a_plateau_on_the_published_log_lowers_the_rate_when_its_source_did(id: str) -> None:
    log, recipe = published_log(id), find(id).recipe
    rows = [row(at + 1, loss, test) for at, (loss, test) in enumerate(zip(log["test_loss"], log["test"], strict=True))]
    assert [rate(recipe, at * 10, 10, rows[:at]) for at in range(15)] == pytest.approx(list(log["lr"]))
    if id == "a9":  # a patience of 1, as the last version of its code has it, would not
        early = found("a9_patience_1").recipe
        rates = [rate(early, at * 10, 10, rows[:at]) for at in range(15)]
        assert [at for at in range(1, 15) if rates[at] < rates[at - 1]] == [7, 11, 13]


def test_images_are_changed_as_the_code_does() -> None:
    def changes(id: str) -> list[dict[str, object]]:
        recipe = find(id).recipe
        default = type(recipe.augment)()
        both = [recipe.augment, recipe.augment_then] if recipe.augment_then else [recipe.augment]
        return [
            {name: value for name, value in vars(one).items() if value != getattr(default, name)} for one in both if one
        ]

    nearest, middle = {"interpolation": "nearest"}, 6 / 28
    assert 28 * (1 - middle) == 22 and math.floor(0.3 * 14) == 4
    assert changes("a8") == changes("a9") == [{"rotate_deg": 10} | nearest]
    assert changes("a10") == [{"centre_crop": middle, "centre_crop_probability": 0.1}, {"rotate_deg": 15} | nearest]
    half = {"perspective": 0.3, "perspective_probability": 0.5, "whole_px": True}
    assert changes("b5") == changes("b6") == [{"rotate_deg": 7} | nearest, half]
    again = {"rotate_deg": 7, "shift_x_px": 1.4, "scale": 0.07, "whole_px": True}  # 0.05 of 28 is 1.4
    assert changes("c3") == [{"rotate_deg": 7, "fill": 1 / 255} | nearest, again | nearest]
    assert changes("d1") == [{"rotate_deg": 5, "fill": 0.171} | nearest]
    assert math.isclose(0.1307 * 0.3081 + 0.1307, 0.171, abs_tol=1e-4)  # 0.1307 of the normalised image
    seldom = {"perspective": 0.3, "perspective_probability": 0.15, "whole_px": True}
    crop = {"centre_crop": middle, "centre_crop_probability": 0.15}
    assert changes("e3") == [{"rotate_deg": 9, "rotate_offset_deg": 3} | nearest, crop | seldom]  # -6 to 12 degrees
    plain = {id for id in (*LAYERS, "a1") if "_" not in id and not find(id).recipe.augment}
    assert plain == {"a1", "a2", "a3", "a4", "a5", "a6", "a7", "b1", "b2", "b3", "b4", "c1", "c2", "e1", "e2"}


def test_the_source_prints_the_log_of_fourteen_rungs_each_as_long_as_its_recipe() -> None:
    logged = [id for id in LAYERS if "_" not in id and published(id).get("epochs")]
    assert logged == ["a9", "a10", *(f"b{n}" for n in range(1, 7)), "c1", "c2", "c3", "d1", "e1", "e2", "e3"]
    for id in logged:
        log = published_log(id)
        assert {len(values) for values in log.values()} == {find(id).recipe.epochs}
        assert max(log["test"]) == pytest.approx(find(id).claimed, abs=0.0601)  # b2's 98.96 is 98.9 in its write-up
