"""What a search notes of every training, read back for the same command to go on; it is checked as a stranger's."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from featherweight.errors import FileError
from featherweight.io import write_text
from featherweight.search.fit.genes import Genes
from featherweight.search.fit.halving import SHARES, Trial
from featherweight.search.fit.price import price
from featherweight.search.fit.state import Search
from featherweight.search.fit.workers import Told, Work


def noted(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of an earlier search; one that was cut off at the end is passed over."""
    if not file.exists():
        return
    lines = file.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        try:
            values = json.loads(line)
        except ValueError:
            if number == len(lines) - 1:
                write_text(file, "".join(f"{one}\n" for one in lines[:-1]))
                return
            raise FileError(f"Line {number + 1} of {file} cannot be read; start in a new folder.") from None
        if not isinstance(values, dict):
            raise FileError(f"Line {number + 1} of {file} is not a candidate; start in a new folder.")
        yield values


def recall(search: Search, values: dict[str, Any]) -> None:
    """Take up what a line says of an earlier search."""
    try:
        number, rung = int(values["trial"]), int(values["rung"])
        correct = None if values["correct"] is None else int(values["correct"])
        genes = Genes.from_json(values["genes"])
        fold = int(values["fold"])
        if not 0 <= rung < len(SHARES) or not 0 <= fold < len(search.views.folds):
            raise ValueError(f"rung {rung}, fold {fold}")
        told = Told(
            work=Work(trial=number, genes=genes, epochs=int(values["epochs"]), fold=fold, share=float(values["share"])),
            done=1.0, seconds=float(values["seconds"]), correct=correct, judged=int(values["judged"]),
            loss=float(values["loss"]), failed=str(values["failed"]),
        )  # fmt: skip
        search.spent = max(search.spent, float(values["at"]))
    except (KeyError, TypeError, ValueError) as problem:
        raise FileError(f"{search.file} is not the file of a search ({problem}); start in a new folder.") from problem
    trials = search.population.trials
    if genes.side >= len(search.views.sizes):
        raise FileError(f"{search.file} belongs to other pictures; start in a new folder.")
    known = next((one for one in trials if one.genes == genes), None)
    if known is None:
        shape = search.shape(genes)
        cost = price(genes, shape, search.classes)
        if cost is None:
            raise FileError(f"{search.file} belongs to other pictures; start in a new folder.")
        racing = values.get("racing") is True
        known = Trial(number=len(trials), genes=genes, price=cost, shape=shape, racing=racing)
        search.population.new(genes)
        trials.append(known)
    work = replace(told.work, trial=known.number)
    known.planned.setdefault(rung, []).append(work)
    known.told.setdefault(rung, []).append(replace(told, work=work))
    known.failed = known.failed or told.failed


def forget_unfinished(trial: Trial) -> None:
    """Nothing has to be redone: a rung of several folds counts with those that were finished."""
    for rung in list(trial.planned):
        if not trial.told.get(rung):
            del trial.planned[rung]
