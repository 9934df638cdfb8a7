import json
import os
import statistics
from dataclasses import asdict
from pathlib import Path

import pytest

from featherweight.errors import FileError, UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record, Row, percent, read_record, write_record
from featherweight.experiments.verdicts import summarise
from featherweight.io import write_text


def record(seed: int = 0, accuracies: tuple[float, ...] = (99.4, 99.5)) -> Record:
    rows = tuple(
        Row(
            epoch=n + 1,
            lr=0.1,
            train_loss=0.2,
            train_accuracy=98.0,
            test_loss=0.1,
            test_accuracy=a,
            seconds=1.5,
        )
        for n, a in enumerate(accuracies)
    )
    return Record(
        experiment="f3",
        seed=seed,
        parameters=7570,
        engine="torch",
        budget=asdict(Budget(held=2)),
        recipe=Recipe().to_json(),
        network="0123456789abcdef",
        data={"name": "mnist", "source": "mnist", "train": 60_000, "test": 10_000, "holdout": 0, "seed": 0},
        environment={"threads": 1, "torch": "2.13.0", "device_type": "cpu"},
        rows=rows,
        finished=True,
    )


def test_percent_of_the_test_set_meets_its_literal_exactly() -> None:
    assert all(percent(n, 10_000) == float(f"{n / 100:.2f}") for n in range(9_000, 10_001))


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    write_record(record(), tmp_path / "record.json")
    assert read_record(tmp_path) == record()
    assert json.loads((tmp_path / "record.json").read_text())["verdict"]["passed"] is True


def test_files_that_are_no_records(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no run at"):
        read_record(tmp_path)
    file = tmp_path / "record.json"
    file.write_text('{"format": 1')
    with pytest.raises(FileError, match="is not the record of a run"):
        read_record(tmp_path)
    file.write_text("[]")
    with pytest.raises(FileError, match="not the record of a run"):
        read_record(tmp_path)
    for name, wrong in (("data", None), ("experiment", None), ("recipe", {}), ("environment", {"threads": "x"})):
        file.write_text(json.dumps(record().to_json() | {name: wrong}))
        with pytest.raises(FileError, match="not the record of a run"):
            read_record(tmp_path)
    file.write_text(json.dumps(record().to_json() | {"format": 99}))
    with pytest.raises(FileError, match="format 99; this version reads 1"):
        read_record(tmp_path)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "record.json"
    with pytest.raises(FileError, match="could not be written"):
        write_text(path, "new")  # its folder does not exist
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "taken").mkdir()
    with pytest.raises(FileError, match="could not be written"):
        write_text(tmp_path / "full" / "taken", "new")  # a folder has that name
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["taken"]


def test_statistics_over_seeds() -> None:
    runs = [record(0, (99.4, 99.5)), record(1, (99.3, 99.6)), record(2, (99.5, 99.4))]
    summary = summarise(runs)
    assert summary.mean == pytest.approx((99.5 + 99.6 + 99.4) / 3)
    assert summary.standard_deviation == pytest.approx(statistics.stdev([99.5, 99.6, 99.4]))
    assert summary.standard_deviation == pytest.approx(0.1)
    assert (summary.worst, summary.worst_of_last, summary.passed, summary.runs) == (99.4, 99.3, 2, 3)
    assert summary.per_seed == {0: 99.5, 1: 99.6, 2: 99.4}
    assert summarise(runs[:1]).standard_deviation == 0.0
    with pytest.raises(UsageError, match="no finished run"):
        summarise([])


def test_rows_must_be_numbers_and_in_order(tmp_path: Path) -> None:
    write_record(record(), tmp_path / "record.json")
    values = json.loads((tmp_path / "record.json").read_text())
    wrong = {"test_accuracy": ("99", True, None, float("nan"), float("inf")), "epoch": (0, 2), "seconds": ([],)}
    for name, choices in wrong.items():
        for value in choices:
            changed = {**values, "epochs": [values["epochs"][0] | {name: value}, values["epochs"][1]]}
            (tmp_path / "record.json").write_text(json.dumps(changed))
            with pytest.raises(FileError, match="is not the record of a run|as a record"):
                read_record(tmp_path)


def test_a_record_is_a_file_of_bounded_size_and_depth(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with path.open("wb") as file:
        file.truncate((1 << 24) + 1)
    with pytest.raises(FileError, match="a regular file of up to 16,777,216 bytes"):
        read_record(tmp_path)
    path.write_text("[" * 100_000)
    with pytest.raises(FileError, match="is not the record of a run"):
        read_record(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileError, match="a regular file of up to 16,777,216 bytes"):
        read_record(tmp_path)


def test_a_record_that_was_edited_is_refused_and_an_old_one_is_read(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    write_record(record(), file)
    values = json.loads(file.read_text())
    assert read_record(file) == read_record(file) and len(values["digest"]) == 64
    file.write_text(json.dumps(dict(reversed(values.items()))))  # neither order nor spacing is part of it
    read_record(file)
    values["epochs"][-1]["test_accuracy"] -= 0.5
    file.write_text(json.dumps(values))
    with pytest.raises(FileError, match=r"record\.json has been changed"):
        read_record(file)
    del values["digest"]  # as earlier versions wrote them
    file.write_text(json.dumps(values))
    assert read_record(file).rows[-1].test_accuracy == values["epochs"][-1]["test_accuracy"]
