"""What is said of a network before anything is trained or compiled is what the compiler and QEMU find."""

import time

import pytest
import torch
from benchmarks import cortex_m, device
from torch import nn

from exported import CURVED_SHAPE, NORMED_SHAPE, STREAMING_SHAPE, curved, lively, normed, streaming
from featherweight.errors import UsageError
from featherweight.export.estimate import deployed, operations, refusal
from featherweight.export.fixed_point import outline
from featherweight.export.lowering import lower
from featherweight.export.memory import measured_kernels, planned
from featherweight.export.tables import all_variants, layer_table, name_of, tensors_of

ENDS = (nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.skipif(bool(cortex_m.MISSING), reason=cortex_m.HOW_TO_GET)
@pytest.mark.parametrize("seed", [500, 501, 502, 503, 504, 505])
def test_flash_and_ram_are_within_five_percent_of_the_compiler_s(seed: int) -> None:
    network, shape, classes = device.drawn(seed, 20)
    for cpu in ("cortex-m0plus", "cortex-m4"):
        said = deployed(network, shape, classes, cpu)
        found = device.measured(network, shape, classes, cpu)
        assert abs(said.flash / found["flash"] - 1) < 0.05, cpu
        assert abs(said.ram / (found["ram"] + found["stack"]) - 1) < 0.05, cpu


def test_every_combination_of_parts_has_been_measured() -> None:
    names = {name_of(variant) for variant in all_variants()}
    for figures in measured_kernels()["processors"].values():
        assert set(figures["code"]) == set(figures["stack"]) == names
        assert min(figures["code"].values()) > 500 and min(figures["stack"].values()) > 100
        assert figures["cycles"]["multiplications"] > 1


def test_tables_take_the_narrowest_types_that_hold_their_numbers() -> None:
    small = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), *ENDS).eval()
    integers = outline(lower(small, (1, 28, 28)))
    memory = planned(integers)
    layers, tensors = layer_table(integers, memory.streams), tensors_of(integers, memory.places, memory.rings)
    # Two convolutions and an average, whose weights begin at 0, 72 and 72 + 288: two bytes, and 15 fields of one.
    assert {field.name: field.size for field in layers.fields if field.size > 1} == {"weights": 2}
    assert [row[0] for row in layers.rows] == [0, 72, 360] and layers.bytes == 3 * (2 + 15 + 1)
    # The picture, what the three make, and nothing above 255: place, channels, height, width and ring.
    assert [field.size for field in tensors.fields] == [1] * 5 and tensors.bytes == 4 * 5
    wide = outline(lower(nn.Sequential(nn.Conv2d(1, 300, 3), *ENDS).eval(), (1, 200, 100)))
    plan = planned(wide)
    # Four bytes for the place of 300 channels' rows would not be needed: they begin at 0.
    sizes = {field.name: field.size for field in tensors_of(wide, plan.places, plan.rings).fields}
    assert sizes == {"channels": 2, "place": 1, "height": 1, "width": 1, "ring": 1}


def test_multiplications_are_counted_as_arithmetic_has_them() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.SiLU(), nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8), *ENDS
    )
    it = deployed(network.eval(), (3, 21, 33), 8)
    assert it.macs == 10 * 16 * 8 * 27 + 10 * 16 * 8 * 9
    assert it.picture == 3 * 21 * 33
    integers = outline(lower(network, (3, 21, 33)))
    work = operations(integers, planned(integers))
    assert work["looked up"] == 10 * 16 * 8 and work["average inputs"] == 10 * 16 * 8
    # The second kernel reaches over the edge by two rows above and below: three rows of a window at two rows each.
    assert work["outside"] == 8 * (2 + 2) * 16 * 3


def test_a_search_can_ask_thousands_of_times() -> None:
    network, shape, classes = device.drawn(7)
    deployed(network, shape, classes)
    begun = time.process_time()
    for _ in range(20):
        deployed(network, shape, classes)
    assert (time.process_time() - begun) / 20 < 0.02  # usually 1 to 2 ms


def test_more_work_takes_more_of_everything() -> None:
    small, large = (
        deployed(nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU(), *ENDS).eval(), (1, 28, 28)) for width in (8, 16)
    )
    assert large.flash - small.flash == 8 * 9 + 8 * 6  # weights, biases and multipliers
    assert large.ram - small.ram == 8 * 26 + 8 * 4  # a row and the sums
    assert 1.5 < large.cycles / small.cycles < 2.5


def test_what_c_cannot_take_is_said_before_anything_is_trained() -> None:
    assert refusal(curved(), CURVED_SHAPE) is None and refusal(streaming(), STREAMING_SHAPE) is None
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.Mish()), *ENDS)
    found = refusal(network, (1, 9, 9))
    assert found == "Layer 1.0 (Mish) is of a kind that has no exported form; the network cannot be exported."
    assert network.training
    wide = nn.Sequential(nn.Conv2d(1, 2, 1, stride=300), *ENDS)
    found = refusal(wide, (1, 4, 4))
    assert found is not None and found.startswith("Layer 0 has stride_y 300, and C's field holds 0 to 255")


def test_a_wrong_number_of_classes_and_an_unknown_processor_are_refused() -> None:
    network = lively(nn.Sequential(nn.Conv2d(1, 4, 3), *ENDS))
    with pytest.raises(UsageError, match="gives 4 scores per picture, not the 7"):
        deployed(network, (1, 9, 9), 7)
    with pytest.raises(UsageError, match="Unknown processor 'cortex-m1'"):
        deployed(network, (1, 9, 9), processor="cortex-m1")
    assert torch.is_tensor(network[0].weight)


def test_norms_of_each_picture_take_the_whole_map_and_eight_bytes_a_group() -> None:
    integers = outline(lower(normed(), NORMED_SHAPE))
    memory = planned(integers)
    at = [index for index, stage in enumerate(integers.stages) if stage.step.kind == "group norm"]
    assert [integers.stages[index].step.groups for index in at] == [3, 6, 1, 1, 1, 1] and memory.norm_groups == 13
    assert memory.arena == memory.rows + 4 * memory.sums + 8 * 13
    # Each norm waits for its whole map: the first one's has 9 rows of 7 x 6, kept before it is pooled.
    read = [integers.stages[index].step.reads(index)[0] for index in at]
    assert [memory.rings[tensor] for tensor in read] == [integers.sizes[tensor][1] for tensor in read]
    assert memory.rings[read[0]] == 9 and integers.sizes[read[0]] == (6, 9, 7)
    without = nn.Sequential(*(it for it in normed() if not isinstance(it, nn.GroupNorm | nn.LayerNorm)))
    assert operations(integers, memory)["normalized"] == 6 * 63 + 6 * 12 + 6 * 12 + 4 * 20 + 80 + 5
    assert deployed(normed(), NORMED_SHAPE).cycles > deployed(without.eval(), NORMED_SHAPE).cycles + 110 * 687
