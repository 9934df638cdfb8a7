"""From everyday pictures to digits: decoding, finding ink and segments, normalising as MNIST does, calibrated answers.

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

from featherweight.errors import FileError, UsageError
from featherweight.reading.answers import Answer, Digit, answer
from featherweight.reading.network import READER, shipped, shipped_experiments, temperature
from featherweight.reading.picture_files import Picture, expand_paths, read_picture

__all__ = ["Answer", "Digit", "Picture", "predict", "predict_each"]

Reader = Callable[[Picture, str], Answer]
"""(a picture, the name of its file) -> the digits found in it."""
TEN = tuple("0123456789")


def predict(names: Iterable[str], run: Path | str | None = None, *, experiment: Path | None = None) -> list[Answer]:
    """The digits in these pictures: one answer per file, with an error in it if the file cannot be read.

    `names` are picture files, folders of pictures and glob patterns. Without `run`, the network is `reader`, whose
    weights come with the package; otherwise `run` is the folder of a finished run, or the name of another experiment
    whose weights come with the package (of those, only the probabilities of `f3` are calibrated). Networks of the
    package need neither data nor PyTorch. `experiment` is as in `load_trained`. Raises UsageError or FileError if `run`
    has no usable weights.
    """
    return [found for found, _ in predict_each(names, run, experiment=experiment)]


def predict_each(
    names: Iterable[str], run: Path | str | None = None, *, experiment: Path | None = None
) -> Iterator[tuple[Answer, Picture | None]]:
    """Like `predict`, one answer at a time, each with the decoded picture (None if it could not be read)."""
    reader = _by_shipped() if run is None else _by_run(run, experiment)
    for file, problem in expand_paths(names):
        if problem is not None:
            yield Answer(file=file, error=str(problem), status=problem.exit_status), None
            continue
        try:
            picture = read_picture(file)
        except (FileError, UsageError) as error:
            yield Answer(file=file, error=str(error), status=error.exit_status), None
            continue
        yield reader(picture, file), picture


def _by_shipped(experiment: str = READER) -> Reader:
    scorer, warmth = shipped(experiment), temperature(experiment)
    return lambda picture, file: answer(picture, file, scorer, warmth, TEN)


def _by_run(run: Path | str, experiment: Path | None) -> Reader:
    if not Path(run).exists() and str(run) in shipped_experiments():
        return _by_shipped(str(run))
    from featherweight.reading.run_reader import reader_of  # needs PyTorch

    return reader_of(run, experiment)
