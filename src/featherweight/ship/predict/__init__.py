"""From pictures as people have them to digits: reading, ink, segments, MNIST's manner, and a calibrated answer.

>>> import tempfile
>>> from PIL import Image, ImageDraw
>>> page = Image.new("RGB", (300, 200), "white")
>>> ImageDraw.Draw(page).line([(200, 40), (190, 160)], fill="blue", width=7)
>>> with tempfile.TemporaryDirectory() as folder:
...     page.save(f"{folder}/one.png")
...     [answer] = predict([f"{folder}/one.png"])
>>> [(digit.name, digit.box) for digit in answer.digits]
[('1', (187, 40, 204, 161))]
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from featherweight.errors import FileError
from featherweight.ship.predict.answers import Answer, Digit, answer
from featherweight.ship.predict.network import shipped, temperature
from featherweight.ship.predict.reading import Picture, files, read

__all__ = ["Answer", "Digit", "Picture", "predict", "predict_each"]

Reader = Callable[[Picture, str], Answer]
"""(a picture, its file's name) -> what is in it."""
TEN = tuple("0123456789")


def predict(names: Iterable[str], run: Path | None = None, *, trust: bool = False) -> list[Answer]:
    """What is in each of these pictures, folders of pictures and patterns; one answer or error a file.

    Without `run` by the weights that come with the package, which need neither data nor PyTorch; otherwise by those of
    the finished run in that folder, whose own Python file is executed, where it has one, only with `trust`.
    """
    return [found for found, _ in predict_each(names, run, trust=trust)]


def predict_each(
    names: Iterable[str], run: Path | None = None, *, trust: bool = False
) -> Iterator[tuple[Answer, Picture | None]]:
    """As `predict`, one at a time, each with the picture as it was read (None where it could not be)."""
    reader = _by_shipped() if run is None else _by_run(run, trust)
    for file, problem in files(names):
        if problem is not None:
            yield Answer(file=file, error=str(problem)), None
            continue
        try:
            picture = read(file)
        except FileError as error:
            yield Answer(file=file, error=str(error)), None
            continue
        yield reader(picture, file), picture


def _by_shipped() -> Reader:
    scorer, warmth = shipped(), temperature()
    return lambda picture, file: answer(picture, file, scorer, warmth, TEN)


def _by_run(run: Path, trust: bool) -> Reader:
    from featherweight.ship.predict.of_run import reader_of  # needs PyTorch

    return reader_of(run, trust=trust)
