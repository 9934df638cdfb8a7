"""The verb find-lr: a learning rate from a short sweep."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import DataDir, DataName, Device, EngineName, Json, app, print_json, say


@app.command("find-lr")
def find_lr(
    experiment: Annotated[str, typer.Argument(help="An id such as f3, or the path of an experiment's file.")],
    data: DataName = "auto",
    data_dir: DataDir = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the initial weights, the order of images and augmentation.", min=0)
    ] = 0,
    device: Device = "auto",
    engine: EngineName = "auto",
    steps: Annotated[int, typer.Option(help="Steps in the sweep, from a rate of 0.00001 to 10; at least 50.")] = 400,
    out: Annotated[Path | None, typer.Option(help="Draw the curve into this .svg or .png file.")] = None,
    as_json: Json = False,
) -> None:
    """Suggest a peak learning rate from one short sweep over rates. The weights trained on the way are discarded."""
    from featherweight.cli.display import busy
    from featherweight.cli.safe_output import wrap
    from featherweight.data import load
    from featherweight.experiments.experiment import find
    from featherweight.search.learning_rate import draw_sweep, rate_curve, require_picture, sweep_of, sweep_table

    if out is not None:
        require_picture(out)
    found = find(experiment)
    images = load(found.data_named(data), directory=data_dir)
    with busy(f"sweeping {steps} rates"):
        sweep, introduction = sweep_of(found, images, seed=seed, device=device, engine=engine, steps=steps)
    for line in introduction:
        to = sys.stderr if as_json else sys.stdout
        print(wrap(line, to), file=to)
    if out is not None:
        draw_sweep(rate_curve(sweep, found.recipe.lr), out)
    if as_json:
        print_json({"experiment": found.name, "seed": seed, "recipe_lr": found.recipe.lr, **sweep.to_json()})
        return
    print(f"{sweep_table(sweep)}\n")
    say(f"{sweep.sentence()} The recipe of {found.id} has {found.recipe.lr:.2g}.")
    if out is not None:
        print(f"wrote {out}")
