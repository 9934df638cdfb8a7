"""Whether one network beats another: a paired test over the seeds that both have run.

Each seed gives a pair of runs. What these share depends on their recipes: the order of the images if batch size and
epochs agree, the changes to images if the augmentation does too, and the initial weights if the layers agree. To the
extent that they share these draws, pairing removes luck from the difference. If they share nothing, the pairs are
arbitrary: the test is still valid, but has a little less power than an unpaired one, with n - 1 degrees of freedom
instead of up to 2n - 2. Either way, the result is about seeds, on these test images.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from featherweight.errors import UsageError
from featherweight.experiments.experiment import names_file
from featherweight.experiments.record import Record
from featherweight.experiments.statistics import Paired, paired


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two sets of runs and the paired test of their last epochs, in points of accuracy."""

    first: str
    second: str
    seeds: tuple[int, ...]
    test: Paired

    def sentence(self) -> str:
        """One sentence: which side beats the other and by how much, or that it is undecided."""
        sides = [Path(name).name if names_file(name) else name for name in (self.first, self.second)]
        sides = [self.first, self.second] if sides[0] == sides[1] else sides
        sign = 1 if self.test.difference >= 0 else -1
        better, worse = sides[::sign]
        low, high = sorted((sign * self.test.low, sign * self.test.high))
        figures = f"(95 % interval {low:+.3f} to {high:+.3f}, {_chance(self.test.p)}, {self.test.pairs} seeds)"
        if self.test.difference == self.test.low == self.test.high == 0:
            return f"{sides[0]} and {sides[1]} are equal on each of {self.test.pairs} seeds: is anything changed?"
        by = f"{abs(self.test.difference):.3f} points {figures}"
        if self.test.decided:
            return f"{better} beats {worse} by {by}."
        return f"Undecided: {better} is above {worse} by {by}."

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain values for JSON."""
        return {"first": self.first, "second": self.second, "seeds": list(self.seeds), **asdict(self.test),
                "decided": self.test.decided, "sentence": self.sentence()}  # fmt: skip


def _chance(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def compare(first: Sequence[Record], second: Sequence[Record], names: tuple[str, str] | None = None) -> Comparison:
    """The paired test over common seeds; UsageError if the runs cannot be compared or share fewer than two seeds.

    Each side is named after its experiment; if both are of the same one, after `names`, such as the runs' folders.
    """
    sides = [{record.seed: record for record in records} for records in (first, second)]
    own = _only_one(first), _only_one(second)
    names = own if own[0] != own[1] or names is None else names
    data = {record.data_set for record in [*first, *second]}
    if len(data) > 1:
        sets = "; ".join(
            f"{name}: {train:,} to train, {test:,} to judge{f', held out {how}' * bool(how)}"
            for name, train, test, _, how in sorted(data)
        )
        raise UsageError(f"Only runs on the same data can be compared, and these are on {sets}.")
    seeds = tuple(sorted(sides[0].keys() & sides[1].keys()))
    if len(seeds) < 2:
        raise UsageError(
            f"{names[0]} and {names[1]} share {len(seeds)} finished seeds; a comparison needs two or more."
        )
    last = [[side[seed].verdict.last for seed in seeds] for side in sides]
    return Comparison(first=names[0], second=names[1], seeds=seeds, test=paired(*last))


def _only_one(records: Sequence[Record]) -> str:
    require_alike(records)
    return records[0].experiment


def require_alike(records: Sequence[Record]) -> None:
    """Raise UsageError unless these are finished runs of one experiment, network, recipe and engine, one per seed."""
    if not records:
        raise UsageError("There is no finished run here; train one first.")
    for what, of in (("experiment", "experiment"), ("network", "network"), ("recipe", "recipe"), ("engine", "engine")):
        seeds: dict[str, list[int]] = {}
        for record in records:
            seeds.setdefault(str(sorted_values(getattr(record, of))), []).append(record.seed)
        if len(seeds) > 1:
            groups = " and ".join(", ".join(map(str, group)) for group in seeds.values())
            named = f" ({' and '.join(seeds)})" if what in ("engine", "experiment") else ""
            raise UsageError(
                f"The runs of {records[0].experiment} are not alike: seeds {groups} differ in {what}{named};"
                " train them all in the same way."
            )
    if len({record.seed for record in records}) < len(records):
        raise UsageError(f"There are two runs of one seed of {records[0].experiment}; keep one of them.")
    if len({record.data["holdout"] for record in records}) > 1:
        raise UsageError("Runs judged on held-out images and runs judged on the test set cannot be mixed.")


def sorted_values(value: Any) -> Any:
    """The value with sorted keys, so that its text is the same whether it was just made or read back."""
    if isinstance(value, dict):
        return {name: sorted_values(value[name]) for name in sorted(value)}
    return [sorted_values(item) for item in value] if isinstance(value, list | tuple) else value
