"""Options that change an experiment's recipe or budget for one training, the same for every verb that trains."""

import inspect
from collections.abc import Callable
from functools import wraps
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


OPTIONS = {"target": Target, "held": Held, "max_params": MaxParams, "epochs": Epochs, "lr": Rate, "batch": Batch,
           "settings": Settings}  # fmt: skip


def changing(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with these options in the place of its parameter `changed`; `epochs` stays its own if it has one."""
    signature = inspect.signature(verb)
    options = {name: option for name, option in OPTIONS.items() if name not in signature.parameters}
    parameters: list[inspect.Parameter] = []
    for one in signature.parameters.values():
        if one.name == "changed":
            parameters += [one.replace(name=name, annotation=option, default=None) for name, option in options.items()]
        else:
            parameters.append(one)

    @wraps(verb)
    def command(**given: Any) -> None:
        changed = overrides(**{name: given.pop(name) for name in options})
        verb(**given, changed=changed)

    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def overrides(
    *,
    target: float | None,
    held: int | None,
    max_params: int | None,
    lr: float | None,
    batch: int | None,
    settings: list[str] | None,
    epochs: int | None = None,
) -> Changed:
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
