"""What a candidate would cost on the chip and in training, known from its shapes alone."""

import math
from dataclasses import asdict, dataclass
from functools import lru_cache

from featherweight.errors import FeatherweightError, UsageError
from featherweight.export import estimate
from featherweight.export.estimate import MARGIN, deployed
from featherweight.networks.architecture import Layer, build_layers
from featherweight.search.fit.candidate import Candidate, candidate_layers

LIMITED = ("flash", "ram", "macs", "parameters", "cycles")
"""What a limit can be set to."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of a network in 8-bit C, by estimate: flash and RAM in bytes on a Cortex-M0+, the rest for one image."""

    flash: int
    ram: int
    macs: int
    parameters: int
    cycles: int
    """Of a Cortex-M4."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that a network may cost; None sets no limit."""

    flash: int | None = None
    ram: int | None = None
    macs: int | None = None
    parameters: int | None = None
    cycles: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and value < 1:
                raise UsageError(f"A limit of {name} must be 1 or more; given {value}.")

    def excess(self, cost_of: Cost) -> dict[str, float]:
        """By what factor each limit is exceeded that is, above 1; cycles count with the margin of their estimate.

        >>> Limits(flash=1000).excess(Cost(flash=1500, ram=9, macs=1, parameters=1, cycles=1))
        {'flash': 1.5}
        """
        counted = asdict(cost_of) | {"cycles": cost_of.cycles * (1 + MARGIN)}
        over = {name: counted[name] / most for name, most in asdict(self).items() if most is not None}
        return {name: factor for name, factor in over.items() if factor > 1}

    def words(self) -> str:
        """The limits as a sentence's part, or "no limit".

        >>> Limits(flash=32768, ram=8192, macs=1_000_000).words()
        'at most 32,768 bytes of flash, 8,192 bytes of RAM, 1,000,000 MACs'
        """
        found = [
            f"{value:,} {'bytes of ' * (name in ('flash', 'ram'))}{_SAID[name]}"
            for name, value in asdict(self).items()
            if value is not None
        ]
        return f"at most {', '.join(found)}" if found else "no limit"


_SAID = {"flash": "flash", "ram": "RAM", "macs": "MACs", "parameters": "parameters", "cycles": "cycles"}


def kilobytes(value: float) -> str:
    """Bytes in kB of 1,000, with one decimal.

    >>> kilobytes(4123)
    '4.1 kB'
    """
    return f"{value / 1000:.1f} kB"


def format_cost(name: str, value: float) -> str:
    """A cost with its unit.

    >>> format_cost("flash", 2000), format_cost("macs", 12345)
    ('2.0 kB flash', '12,345 MACs')
    """
    if name == "cycles":
        return f"{milliseconds(value):.1f} ms at {CLOCK_MHZ} MHz ({value:,.0f} cycles)"
    return f"{kilobytes(value)} {_SAID[name]}" if name in ("flash", "ram") else f"{value:,.0f} {_SAID[name]}"


CLOCK_MHZ = 64
"""Of the Cortex-M4 for which milliseconds are given."""


def milliseconds(cycles: float) -> float:
    """About how long so many cycles take at `CLOCK_MHZ`.

    >>> milliseconds(6_400_000)
    100.0
    """
    return cycles / (1000 * CLOCK_MHZ)


def cost_of(genes: Candidate, shape: tuple[int, int, int], classes: int) -> Cost | None:
    """The cost for images of this shape (C H W); None for a network that such images are too small for."""
    return _cost_of_layers(candidate_layers(genes), shape, classes, genes.bits)


@lru_cache(maxsize=4096)
def _cost_of_layers(layers: tuple[Layer, ...], shape: tuple[int, int, int], classes: int, bits: int) -> Cost | None:
    try:
        network = build_layers(layers, shape[0], classes).eval()
        smallest = deployed(network, shape, classes, bits=bits)
        faster = deployed(network, shape, classes, "cortex-m4", bits)
    except FeatherweightError:
        return None
    parameters = sum(one.numel() for one in network.parameters())
    return Cost(flash=smallest.flash, ram=smallest.ram, macs=smallest.macs, parameters=parameters, cycles=faster.cycles)


def training_work(macs: int, shape: tuple[int, int, int]) -> float:
    """About how long training takes for one image, in any unit: products there and back, and moving the pixels.

    The pixels count for what is done to each image whatever the network: drawing its changes and carrying them out.
    """
    return 3 * macs + 600 * math.prod(shape)


def milliseconds_on_chips(genes: Candidate, shape: tuple[int, int, int], classes: int) -> dict[str, float]:
    """About how long an image of this shape (C H W) takes on each chip that is known, by its name."""
    network = build_layers(candidate_layers(genes), shape[0], classes).eval()
    return estimate.milliseconds(network, shape, genes.bits)
