"""Options that change an experiment's recipe or budget for one training, the same for every verb that trains."""

from typing import Annotated, Any

import typer

Target = Annotated[
    float | None, typer.Option("--target", help="Test accuracy to reach, in percent, instead of the budget's.")
]
Held = Annotated[
    int | None,
    typer.Option("--held", help="How many of the last epochs must reach the target, instead of the budget's."),
]
MaxParams = Annotated[
    int | None,
    typer.Option("--max-params", help="The network must have fewer parameters than this, instead of the budget's."),
]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Number of epochs, instead of the recipe's.", min=1)]
Rate = Annotated[float | None, typer.Option("--lr", help="Peak learning rate, instead of the recipe's.")]
Batch = Annotated[int | None, typer.Option("--batch", help="Images per step, instead of the recipe's.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Any field of the recipe or budget, such as recipe.augment.rotate_deg=5; may be given several times.",
    ),
]


def overrides(
    *,
    target: float | None,
    held: int | None,
    max_params: int | None,
    lr: float | None,
    batch: int | None,
    settings: list[str] | None,
    epochs: int | None = None,
) -> tuple[tuple[str, Any], ...]:
    """The settings that these options change, by dotted name; those given with --set take precedence."""
    named = {
        "budget.accuracy": target,
        "budget.held": held,
        "budget.parameters": max_params,
        "recipe.epochs": epochs,
        "recipe.lr": lr,
        "recipe.batch": batch,
    }
    found: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if settings:
        from featherweight.experiments.override import parsed

        found |= parsed(settings)
    return tuple(found.items())
