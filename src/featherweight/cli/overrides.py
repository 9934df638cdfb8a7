"""Options that change an experiment's recipe or budget for one training, the same for every verb that trains."""

from typing import Annotated, Any

import typer

Changed = tuple[tuple[str, Any], ...]
"""Settings by dotted name."""

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

FIELDS = {
    "target": "budget.accuracy",
    "held": "budget.held",
    "max_params": "budget.parameters",
    "epochs": "recipe.epochs",
    "lr": "recipe.lr",
    "batch": "recipe.batch",
}
"""The setting behind each of these options; a verb that declares one of them need not mention it again."""


def overrides(ctx: typer.Context, *, own: tuple[str, ...] = ()) -> Changed:
    """The settings that a verb's options change, by dotted name; those given with --set take precedence.

    The verb reads the options of the names in `own` itself.
    """
    given = {field: ctx.params[name] for name, field in FIELDS.items() if name in ctx.params and name not in own}
    found: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if ctx.params["settings"]:
        from featherweight.experiments.settings import parsed

        found |= parsed(ctx.params["settings"])
    return tuple(found.items())
