"""Candidates drawn at random, and copies of good ones with a thing or two changed."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from featherweight.search.fit.candidate import BLOCKS, DEEPEST, MOST_STAGES, MOVES, WIDEST, Candidate


def scale_width(genes: Candidate, factor: float) -> Candidate:
    """The same with all widths multiplied, rounded to whole channels of 3 or more."""
    widths = tuple(max(3, min(WIDEST, round(width * factor))) for width in genes.widths)
    return replace(genes, stem=max(3, min(WIDEST, round(genes.stem * math.sqrt(factor)))), widths=widths)


def sample_candidate(draws: random.Random, sizes: int, coloured: bool, base: Candidate) -> Candidate:
    """Genes drawn at random, with the recipe of `base`; `sizes` is how many sizes the pictures may be brought to."""
    stages = draws.choice((1, 2, 2, 3, 3))
    stem = draws.randint(4, 16)
    growth = draws.uniform(1.0, 2.2)
    widths = tuple(max(4, round(stem * growth ** (stage + 1))) for stage in range(stages))
    block = draws.choice(BLOCKS)
    depths = tuple(draws.randint(1, 2 if block == "residual" else (6 if stages == 1 else 3)) for _ in range(stages))
    stem_stride = draws.choice((1, 1, 1, 2))
    return replace(
        base,
        side=draws.randrange(sizes),
        grey=coloured and draws.random() < 0.2,
        block=block,
        stem=stem,
        kernel=draws.choice((3, 3, 3, 5)),
        stem_stride=stem_stride,
        stem_pool=stem_stride == 1 and draws.random() < 0.6,
        widths=widths,
        depths=depths,
        bits=base.bits if draws.random() < 0.7 else draws.choice((8, 4)),
        strided=block == "residual" or draws.random() < 0.3,
        shrink=0 if block == "residual" else draws.randint(0, min(depths[-1], 4)),
    )


def mutate(draws: random.Random, genes: Candidate, sizes: int, coloured: bool, presets: Sequence[str]) -> Candidate:
    """The genes with one or two things about them changed."""
    for _ in range(draws.choice((1, 1, 2))):
        genes = draws.choices(
            (_wider, _deeper, _reshaped, _retrained, _seen), weights=(4, 2, 3, 2, 1 if sizes > 1 or coloured else 0)
        )[0](draws, genes, sizes, coloured, presets)
    return genes


def _wider(draws: random.Random, genes: Candidate, sizes: int, coloured: bool, presets: Sequence[str]) -> Candidate:
    if draws.random() < 0.5:
        return scale_width(genes, draws.choice((0.75, 0.85, 0.92, 1.1, 1.25)))
    at, factor = draws.randrange(-1, len(genes.widths)), draws.choice((0.75, 0.85, 1.15, 1.3))
    if at < 0:
        return replace(genes, stem=max(3, min(WIDEST, round(genes.stem * factor))))
    widths = list(genes.widths)
    widths[at] = max(3, min(WIDEST, round(widths[at] * factor)))
    return replace(genes, widths=tuple(widths))


def _deeper(draws: random.Random, genes: Candidate, sizes: int, coloured: bool, presets: Sequence[str]) -> Candidate:
    depths = list(genes.depths)
    at = draws.randrange(len(depths))
    depths[at] = max(1, min(DEEPEST, depths[at] + draws.choice((-1, 1))))
    return replace(genes, depths=tuple(depths), shrink=min(genes.shrink, depths[-1]))


def _reshaped(draws: random.Random, genes: Candidate, sizes: int, coloured: bool, presets: Sequence[str]) -> Candidate:
    kind = draws.choice(("block", "kernel", "stem", "strided", "shrink", "shrink", "stages"))
    match kind:
        case "block":
            block = draws.choice([other for other in BLOCKS if other != genes.block])
            shrink = 0 if block == "residual" else genes.shrink
            depths = tuple(min(depth, 2) for depth in genes.depths) if block == "residual" else genes.depths
            return replace(genes, block=block, shrink=min(shrink, depths[-1]), depths=depths)
        case "kernel":
            return replace(genes, kernel=5 if genes.kernel == 3 else 3)
        case "stem":
            stride, pool = draws.choice(((1, True), (1, False), (2, False)))
            return replace(genes, stem_stride=stride, stem_pool=pool)
        case "strided":
            return replace(genes, strided=not genes.strided)
        case "shrink" if genes.block != "residual":
            return replace(genes, shrink=max(0, min(genes.depths[-1], genes.shrink + draws.choice((-1, 1)))))
        case "stages" if len(genes.widths) > 1 and draws.random() < 0.5:
            widths, depths = genes.widths[:-1], genes.depths[:-1]
            return replace(genes, widths=widths, depths=depths, shrink=min(genes.shrink, depths[-1]))
        case "stages" if len(genes.widths) < MOST_STAGES:
            widths = (*genes.widths, min(WIDEST, round(1.4 * genes.widths[-1])))
            return replace(genes, widths=widths, depths=(*genes.depths, 1), shrink=min(genes.shrink, 1))
    return _deeper(draws, genes, sizes, coloured, presets)


def _retrained(draws: random.Random, genes: Candidate, sizes: int, coloured: bool, presets: Sequence[str]) -> Candidate:
    kind = draws.choice(("lr", "decay", "hard", "batch", "smoothing", "move", "move", "move", "preset", "bits"))
    match kind:
        case "bits":
            return replace(genes, bits=8 if genes.bits < 8 else 4)
        case "lr":
            return replace(genes, lr=_near(draws, genes.lr, (0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3)))
        case "decay":
            return replace(genes, decay=_near(draws, genes.decay, (1e-4, 2e-4, 5e-4, 1e-3, 2e-3)))
        case "hard":
            return replace(genes, hard=draws.choice([factor for factor in (1.0, 3.0, 10.0) if factor != genes.hard]))
        case "batch":
            return replace(genes, batch=int(_near(draws, genes.batch, (16, 32, 64, 128))))
        case "smoothing":
            return replace(genes, smoothing=0.0 if genes.smoothing else 0.05)
        case "preset":
            return replace(genes, preset=draws.choice(list(presets)), changes=())
    name = draws.choice([name for name, strengths in MOVES.items() if len(strengths) > 1])
    now = genes.moves().get(name, 0.0)
    strength = _near(draws, now, MOVES[name])
    return replace(genes, changes=tuple(sorted((dict(genes.changes) | {name: strength}).items())))


def _seen(draws: random.Random, genes: Candidate, sizes: int, coloured: bool, presets: Sequence[str]) -> Candidate:
    """Pictures brought to another size, or with or without their colours."""
    if coloured and (sizes == 1 or draws.random() < 0.4):
        return replace(genes, grey=not genes.grey)
    return replace(genes, side=draws.randrange(sizes))


def _near(draws: random.Random, now: float, values: Sequence[float]) -> float:
    """One of the values beside the one that is nearest to what is."""
    at = min(range(len(values)), key=lambda place: abs(values[place] - now))
    return values[max(0, min(len(values) - 1, at + draws.choice((-1, 1))))]
