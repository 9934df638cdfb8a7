"""Three hundred pictures of shapes, such as somebody with a problem of their own might bring.

`python -m benchmarks.shapes DIR` writes circles, squares and triangles, each in red, green or blue, of many sizes and
turns on grounds of many greys, in pictures of 40 to 60 pixels. The colour says nothing of the class.
"""

import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = ("circle", "square", "triangle")
COLOURS = ((200, 60, 60), (60, 160, 70), (60, 80, 200))
CORNERS = {"square": 4, "triangle": 3}


def picture(draws: np.random.Generator, kind: str, colour: tuple[int, int, int]) -> Image.Image:
    """One picture of a shape, somewhat blurred and noisy."""
    width, height = (int(side) for side in draws.integers(40, 61, 2))
    image = Image.new(
        "RGB", (width, height), tuple(int(level) for level in draws.integers(120, 240) + draws.integers(-15, 16, 3))
    )
    radius = draws.uniform(0.2, 0.36) * min(width, height)
    x, y = draws.uniform(radius, width - radius), draws.uniform(radius, height - radius)
    fill = tuple(int(np.clip(level + draws.integers(-30, 31), 0, 255)) for level in colour)
    pen = ImageDraw.Draw(image)
    if kind == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    else:
        count, turn = CORNERS[kind], draws.uniform(0, 2 * math.pi)
        angles = [turn + 2 * math.pi * corner / count for corner in range(count)]
        pen.polygon([(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles], fill=fill)
    image = image.filter(ImageFilter.GaussianBlur(0.7))
    pixels = np.asarray(image, dtype=np.float64) + draws.normal(0, 8, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write(folder: Path, each: int = 100, seed: int = 0) -> None:
    """Write so many pictures of each class, in sub-folders by class."""
    draws = np.random.default_rng(seed)
    for kind in CLASSES:
        (folder / kind).mkdir(parents=True)
        for number in range(each):
            picture(draws, kind, COLOURS[number % 3]).save(folder / kind / f"{number:03}.png")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
