"""What is said of a network before anything is trained or compiled is what the compiler and QEMU find."""

import json
import time
from typing import Any

import pytest
import torch
from benchmarks import cortex_m, cycles, device
from torch import nn

from exported import CURVED_SHAPE, NORMED_SHAPE, STREAMING_SHAPE, curved, lively, normed, streaming
from featherweight.errors import BudgetError, UsageError
from featherweight.experiments.budget import Budget
from featherweight.export.estimate import (
    MARGIN,
    PROCESSORS,
    deployed,
    milliseconds,
    refusal,
    require_within,
    time_words,
)
from featherweight.export.fixed_point import outline
from featherweight.export.lowering import lower
from featherweight.export.memory import measured_kernels, planned
from featherweight.export.operations import operations
from featherweight.export.tables import all_variants, layer_table, name_of, tensors_of
from featherweight.search.fit.cost import Cost, Limits

ENDS = (nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.skipif(bool(cortex_m.MISSING), reason=cortex_m.HOW_TO_GET)
@pytest.mark.parametrize("seed", [500, 501, 502, 503, 504, 505])
def test_flash_and_ram_are_within_five_percent_of_the_compiler_s(seed: int) -> None:
    network, shape, classes = device.drawn(seed, 20)
    for cpu in ("cortex-m0plus", "cortex-m4"):
        said = deployed(network, shape, classes, cpu)
        found = device.measured(network, shape, classes, cpu)
        assert abs(said.flash / found["flash"] - 1) < 0.05, cpu
        assert 1 <= said.ram / (found["ram"] + found["stack"]) < 1.05, cpu


def test_every_combination_of_parts_has_been_measured() -> None:
    names = {name_of(variant) for variant in all_variants()}
    for figures in measured_kernels()["processors"].values():
        assert set(figures["code"]) == set(figures["stack"]) == names
        assert min(figures["code"].values()) > 500 and min(figures["stack"].values()) > 100
        assert figures["cycles"]["singles"] > 1 and {*figures["cycles"]} == {
            name for it in cycles.SPENT.values() for name in it
        }


@pytest.mark.skipif(bool(cortex_m.MISSING), reason=cortex_m.HOW_TO_GET)
@pytest.mark.parametrize("variant", [("packed",), ("max", "add", "rows", "table")])
def test_what_was_measured_is_the_present_code(variant: tuple[str, ...]) -> None:
    kept = measured_kernels()["processors"]["cortex-m4"]
    found = device._parts(variant, "cortex-m4")
    if cortex_m.run(cortex_m.COMPILER, "--version").splitlines()[0] != measured_kernels()["compiler"]:
        pytest.skip("another compiler makes other code")
    assert found == (kept["code"][name_of(variant)], kept["stack"][name_of(variant)])


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
    # The second kernel reaches over the edge: one row of it in each of two windows above and below, and so its columns.
    assert work["edge parts"] == 8 * 10 * 16 * 9
    assert work["edge parts inside"] == 8 * (30 - 4) * (3 * 16 - 4) and work["runs"] == 10 * 16 * 8 * 3
    # 27 numbers of one run in fours, nine of which are a row; one at a time through gaps.
    assert work["fours"] == 10 * 16 * 8 * 3 * 2 and work["singles"] == 10 * 16 * 8 * 3 + 8 * 10 * 16 * 9


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
    # Of the first one's 9 rows, no pool asks for the last.
    assert operations(integers, memory)["normalized"] == 6 * 7 * 8 + 6 * 12 + 6 * 12 + 4 * 20 + 80 + 5


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cycles.RESULT.read_text())
    assert (found["fitted"], len(found["networks"])) == (210, 260)
    assert len({it["seed"] for it in found["networks"][10:]}) == 250
    return found


@pytest.mark.parametrize("cpu", PROCESSORS)
def test_cycles_are_near_those_of_networks_that_no_rate_was_fitted_to(cpu: str, record: dict[str, Any]) -> None:
    by = measured_kernels()["processors"][cpu]["cycles"]
    of = cycles.rows({**record, "networks": record["networks"][210:]}, cpu)
    off = cycles.errors(of, by)
    assert len(off) == 50 and (abs(off) <= MARGIN).sum() >= 48
    assert (100 * off).tolist() == pytest.approx(record["held_out"][cpu], abs=0.006)
    # Norms alone, of which each value takes a quotient: what their functions took.
    parts = ("normalize", "measure_group", "square_root", "divide")
    norms = [(work, sum(spent.get(part, 0) for part in parts)) for work, spent in of if work.get("normalized")]
    names = {name for part in parts for name in cycles.SPENT[part]}
    shares = [sum(by[name] * work.get(name, 0) for name in names) / took for work, took in norms]
    assert len(shares) >= 8 and min(shares) > 0.9 and max(shares) < 1.2


def test_an_estimate_is_the_sum_of_what_its_operations_take(record: dict[str, Any]) -> None:
    for one in record["networks"][210:216]:
        network, shape, classes, bits = cycles.sample(one["seed"])
        said = deployed(network, shape, classes, "cortex-m4", bits)
        assert abs(said.cycles / sum(one["cortex-m4"].values()) - 1) <= MARGIN
        assert said.most_cycles == round(1.08 * said.cycles)


@pytest.mark.skipif(bool(cortex_m.MISSING), reason=cortex_m.HOW_TO_GET)
def test_a_trace_gives_the_record_s_cycles(record: dict[str, Any]) -> None:
    one = min(record["networks"], key=lambda it: sum(it["cortex-m4"].values()))
    found = cycles.traced(one["seed"], "cortex-m4", one.get("bits", 0))
    assert sum(found.values()) == pytest.approx(sum(one["cortex-m4"].values()), rel=0.01)


def test_a_limit_of_cycles_keeps_the_margin_of_the_estimate() -> None:
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), *ENDS).eval()
    it = deployed(network, (1, 20, 20), processor="cortex-m4")
    require_within(Budget(cycles=it.most_cycles), network, (1, 20, 20))
    with pytest.raises(BudgetError, match=f"{it.most_cycles:,} cycles .* margin of 8 %"):
        require_within(Budget(cycles=it.most_cycles - 1), network, (1, 20, 20))
    cost = Cost(flash=1, ram=1, macs=1, parameters=1, cycles=it.cycles)
    assert Limits(cycles=it.most_cycles + 1).excess(cost) == {}
    assert Limits(cycles=it.cycles).excess(cost) == {"cycles": pytest.approx(1.08)}


def test_milliseconds_are_cycles_at_the_clock_that_is_named() -> None:
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), *ENDS).eval()
    small, large = (deployed(network, (1, 20, 20), processor=cpu).cycles for cpu in PROCESSORS)
    found = milliseconds(network, (1, 20, 20))
    assert found == pytest.approx(
        {"Cortex-M0+": small / 48e3, "Cortex-M4": large / 64e3, "Cortex-M7": large / 216e3 * 3.42 / 5.01,
         "ESP32": large / 240e3 * 3.42 / 2.10}, abs=0.006
    )  # fmt: skip
    words = time_words(found)
    assert all(it in words for it in ("a Cortex-M0+ at 48 MHz", "an ESP32 at 240 MHz", "not on silicon", "CoreMark"))
