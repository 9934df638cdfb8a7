import json

import pytest

from featherweight.errors import UsageError
from featherweight.experiments.recipe import SCHEDULES, Augment, Recipe, Schedule

EXAMPLES: dict[str, Schedule] = {
    kind: cls(**{"step": {"every_epochs": 3}, "multi_step": {"at_epochs": (8, 15)}}.get(kind, {}))
    for kind, cls in SCHEDULES.items()
}


def test_every_schedule_survives_json() -> None:
    assert len(EXAMPLES) == 7
    for schedule in EXAMPLES.values():
        recipe = Recipe(schedule=schedule, augment=Augment(rotate_deg=7, erase=0.25), average=0.998)
        assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_an_unknown_field_or_kind_is_named_with_the_nearest() -> None:
    values = Recipe().to_json()
    with pytest.raises(UsageError, match="'epoch'.*did you mean epochs"):
        Recipe.from_json(values | {"epoch": 3})
    with pytest.raises(UsageError, match="'cosin'.*did you mean cosine"):
        Recipe.from_json(values | {"schedule": {"kind": "cosin"}})
    with pytest.raises(UsageError, match="'adan'.*did you mean adam"):
        Recipe(optimizer="adan")  # type: ignore[arg-type]


def test_fewer_epochs_keep_plain_epochs_possible() -> None:
    assert Recipe(epochs=15, plain_epochs=2).with_epochs(1).plain_epochs == 1


def test_augment_knows_whether_it_changes_anything() -> None:
    assert not Augment()
    assert not Augment(elastic_cells=7, erase_area=0.5)
    assert Augment(erase=0.1) and not Augment(erase=0.1).warps
    assert Augment(shear=0.1).warps
