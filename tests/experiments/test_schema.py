"""Data with ranges in their types: what is refused and how it is said, what `help` tells, and JSON there and back."""

import json
import pydoc
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featherweight as fw
from featherweight.errors import FileError, UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import ids
from featherweight.experiments.recipe import SCHEDULES, Recipe
from featherweight.experiments.record import Record
from featherweight.experiments.schema import Percent, allowed, check_fields, documented, dotted_names, kinds, to_plain

RESULTS = Path(__file__).parents[2] / "results"
SCHEMAS = (fw.Recipe, fw.Augment, fw.Distil, fw.HardExamples, fw.Budget, fw.Bar, *SCHEDULES.values())
MADE: dict[type, dict[str, Any]] = {
    fw.Distil: {"teacher": "f3"}, fw.Step: {"every_epochs": 3}, fw.MultiStep: {"at_epochs": (3, 5)}
}  # fmt: skip
BEYOND = {
    float: ("x", float("nan"), float("inf"), True, -1e301, [0.5]),
    int: ("x", 1.5, True, -1, 1 << 63),
    bool: (1, "no"),
    str: (3,),
}


def places() -> list[tuple[type, str]]:
    found = [(cls, field.name) for cls in SCHEMAS for field in fields(cls)]
    assert len(found) > 60
    return found


@pytest.mark.parametrize(("cls", "name"), places())
def test_every_field_refuses_what_is_not_of_its_kind(cls: type, name: str) -> None:
    words = {bool: "true", int: "whole", float: "number", str: ""}
    kind = next(kind for kind, word in words.items() if word in allowed(kinds(cls)[name]))
    listed = "list" in allowed(kinds(cls)[name])
    parts = [[-1.0], [float("nan")]] if listed else [[0.5]]
    for wrong in [*parts, *(one for one in BEYOND[kind] if not isinstance(one, list))]:
        with pytest.raises(UsageError) as caught:
            cls(**MADE.get(cls, {}) | {name: wrong})
        said = str(caught.value)
        assert name in said and (repr(wrong) in said or "must be" in said), said


EDGES: tuple[tuple[type, dict[str, Any]], ...] = (
    *((fw.Recipe, {name: 0}) for name in ("epochs", "batch", "lr")),
    *((fw.Recipe, {name: 1.0}) for name in ("momentum", "label_smoothing", "average")),
    (fw.Recipe, {"weight_decay": -1e-4}),
    (fw.Recipe, {"plain_epochs": 16}),
    (fw.Augment, {"rotate_deg": 181}),
    (fw.Step, {"every_epochs": 0}),
    (fw.MultiStep, {"at_epochs": (3,), "factor": 1.5}),
    (SCHEDULES["plateau"], {"patience_epochs": -1}),
    *((fw.Budget, {name: 0}) for name in ("parameters", "epochs", "held", "macs", "seconds")),
    (fw.Budget, {"accuracy": 101.0}),
)


def test_a_value_just_beyond_its_range_is_refused() -> None:
    for cls, wrong in EDGES:
        *_, name = wrong
        with pytest.raises(UsageError, match=rf"{name}\b"):
            cls(**wrong)


def test_a_sentence_has_place_range_and_value() -> None:
    with pytest.raises(UsageError, match=r"Recipe\.lr must be a number above 0; given -1"):
        Recipe(lr=-1)
    with pytest.raises(UsageError, match=r"MultiStep\.at_epochs\[1\] must be a whole number from 1 .*given 0"):
        fw.MultiStep(at_epochs=(3, 0))
    with pytest.raises(UsageError, match=r"Budget\.macs must be .*at most 1.*, or None; given 1e\+?300|1,099,511"):
        Budget(macs=1 << 50)
    with pytest.raises(UsageError, match=r"Recipe\.augment must be an instance of Augment; given \{\}"):
        Recipe(augment={})  # type: ignore[arg-type]


def test_numpy_s_numbers_are_numbers() -> None:
    assert Recipe(lr=np.float64(0.25)).lr == 0.25
    with pytest.raises(UsageError, match=r"Recipe\.lr must be"):
        Recipe(lr=np.float64("nan"))


@pytest.mark.parametrize("cls", SCHEMAS)
def test_help_tells_range_default_and_meaning_of_every_field(cls: type) -> None:
    text = pydoc.render_doc(cls, renderer=pydoc.plaintext)
    lines = " ".join(text.replace("|", " ").split())
    for field in fields(cls):
        assert f"- `{field.name}`: {allowed(kinds(cls)[field.name])} (" in lines, field.name
        meaning = lines.split(f"- `{field.name}`: ", 1)[1].split("- `", 1)[0].partition("). ")[2]
        assert len(meaning.split()) > 2, f"{cls.__name__}.{field.name} has no words"
    assert "Annotated" not in text.split("\n |  \n")[0]


def test_documentation_is_made_of_the_source() -> None:
    @documented
    @dataclass(frozen=True, kw_only=True)
    class Mark:
        """A mark."""

        share: Percent = 3.0
        """How much of it."""

        def __post_init__(self) -> None:
            check_fields(self)

    assert "- `share`: a number from 0 to 100 (default 3.0). How much of it." in str(Mark.__doc__)
    with pytest.raises(UsageError, match=r"Mark\.share must be a number from 0 to 100; given 100\.5"):
        Mark(share=100.5)


def test_dotted_names_go_into_every_part() -> None:
    names = [*dotted_names(Recipe, "recipe")]
    assert len(names) == len(set(names)) > 50
    deep = ("schedule.warmup_epochs", "schedule.every_epochs", "schedule.peak_at", "hard.factor", "distil.teacher")
    for one in ("lr", "schedule", *deep, "augment.mixup"):
        assert f"recipe.{one}" in names
    assert "recipe.augment" not in names


def test_every_rung_is_itself_after_json() -> None:
    assert len(ids()) >= 50
    for name in ids():
        rung = fw.find(name)
        assert Recipe.from_json(json.loads(json.dumps(rung.recipe.to_json()))) == rung.recipe
        assert Budget(**json.loads(json.dumps(rung.budget.to_json()))) == rung.budget
        assert rung.bar is None or fw.Bar(**rung.bar.to_json()) == rung.bar


def committed() -> list[Path]:
    found = [path for path in sorted(RESULTS.rglob("*.json")) if b'"epochs": [' in path.read_bytes()]
    kept = [path for path in found if isinstance(one := json.loads(path.read_text()), dict) and "recipe" in one]
    assert len(kept) > 600
    return kept


def test_every_committed_record_is_itself_after_json() -> None:
    """Byte for byte, but for the verdict, which is made of the rest, and for what was not written in the first days."""
    for path in committed():
        values = json.loads(path.read_text())
        record = Record.from_json(values, str(path))
        again = json.loads(json.dumps(record.to_json()))
        stored, verdict = (
            {key: v for key, v in one.items() if key not in ("verdict", "digest")} for one in (values, again)
        )
        assert verdict == stored | {"teachers": stored.get("teachers", [])}, path
        figures = {name: value for name, value in (values["verdict"] or {}).items() if name != "reason"}
        assert figures.items() <= again["verdict"].items(), path
        assert "reason" not in again["verdict"] and record.verdict.reason
        assert Record.from_json(again, str(path)) == record


def test_a_table_that_is_always_written_must_be_there() -> None:
    values = Recipe().to_json()
    for name in ("schedule", "augment"):
        with pytest.raises(UsageError, match=f"recipe lacks {name}"):
            Recipe.from_json({key: value for key, value in values.items() if key != name})
    with pytest.raises(UsageError, match=r"recipe\.schedule lacks kind"):
        Recipe.from_json(values | {"schedule": {}})
    with pytest.raises(UsageError, match=r"recipe\.distil lacks teacher"):
        Recipe.from_json(values | {"distil": {}})
    with pytest.raises(UsageError, match="'spin' of recipe.augment"):
        Recipe.from_json(values | {"augment": {"spin": 1}})
    with pytest.raises(UsageError, match="recipe must be a table"):
        Recipe.from_json([])  # type: ignore[arg-type]
    with pytest.raises(FileError, match=r"record\.seed must be"):
        Record.from_json(replace(_any_record(), seed=-1).to_json(), "here")


def _any_record() -> Record:
    return Record.from_json(json.loads(committed()[0].read_text()), "here")


def test_what_is_off_is_left_out_where_older_records_lack_it() -> None:
    assert {"distil", "hard", "weight_bits", "strokes"}.isdisjoint(to_plain(Recipe()))
    assert "flip" not in to_plain(Recipe())["augment"] and "rotate_deg" in to_plain(Recipe())["augment"]
    assert to_plain(Recipe(weight_bits=4, strokes=1))["weight_bits"] == 4
