"""What several verbs share: their app, options of one name and meaning, those that change settings, JSON on stdout."""

import json
import sys
from collections.abc import Collection
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from featherweight.cli.safe_output import wrap
from featherweight.errors import UsageError, nearest
from featherweight.escape import printable

if TYPE_CHECKING:
    from featherweight.experiments.record import Size
    from featherweight.parallel.messages import Backend


ORDER = (
    "list", "show", "new", "fit", "train", "ladder", "prove", "compare", "evaluate", "report", "find-lr", "search",
    "predict", "draw", "calibrate", "export", "size", "bench", "doctor",
)  # fmt: skip
"""The order in which --help lists the verbs: looking, training, then using the result."""


class Verbs(typer.core.TyperGroup):
    """The app's verbs in the order in which --help lists them, whichever module was imported first."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return sorted(super().list_commands(ctx), key=ORDER.index)


NARROWEST = 60
"""Columns below which help is plain text, each option on a line of its own, since columns of a table would be cut."""

HELP = "Train the smallest network that meets an accuracy target under a hard budget; prove it, explain it, ship it."

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if get_terminal_size().columns >= NARROWEST else None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=HELP,
)

RUN_HELP = "The folder of a finished run, or the name of a network that comes with the package."


def _print_version(asked: bool) -> None:
    if asked:
        from featherweight._version import __version__

        print(f"featherweight {__version__}")
        raise typer.Exit


@app.callback(help=HELP)
def before(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The options that come before a verb."""


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, on standard output.")]
DataName = Annotated[
    str,
    typer.Option(
        "--data",
        help="auto (the experiment's own set), mnist, fashion, kmnist, qmnist, emnist-digits, cifar10, usps, digits"
        " (embedded), or a folder of images with one subfolder per class.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder with the data set's files, or with one folder per data set."),
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="HxW|own",
        help="Height and width that a folder's pictures are stretched to, such as 32x48; with :centre, their middle is"
        " cut out, with :fit, black fills the rest; or own, if all have the same size.",
    ),
]
Grey = Annotated[bool, typer.Option("--grey", help="Drop the colours of the pictures.")]
ExperimentFile = Annotated[
    Path | None,
    typer.Option(
        "--experiment",
        metavar="FILE",
        help="The experiment's Python file, which is executed; needed only if the run does not store its network.",
    ),
]
OnPlace = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="local|ray|ray://HOST:PORT",
        help="Where to train: on this machine, or on a Ray cluster; ray means that of RAY_ADDRESS, or one here.",
    ),
]
Gpus = Annotated[
    float, typer.Option("--gpus", help="GPUs that each task takes on a cluster; 0.25 puts four tasks on one.", min=0)
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
EngineName = Annotated[str, typer.Option("--engine", help="auto, native or torch.")]
RunsFolder = Annotated[Path, typer.Option("--out", help="Folder for run folders.")]


def given(ctx: typer.Context) -> set[str]:
    """The names of the parameters that stand on the command line, whatever their values."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}


def options_of(ctx: typer.Context, names: Collection[str]) -> str:
    """Parameters of a verb as they are typed, sorted and joined, for a sentence; empty if there are none."""
    return ", ".join(sorted(one.opts[0] for one in ctx.command.params if one.name in names))


def place(address: str, gpus: float = 0.0, threads: int | None = None, alike: bool = False) -> "Backend":
    """Where works are carried out, as these options say; UsageError, before anything begins, if that cannot be."""
    from featherweight.parallel.messages import Backend
    from featherweight.parallel.pool import require_backend

    require_backend(address)
    on = Backend(address=address, gpus=gpus, threads=threads or 1, alike=alike)
    if on.local and gpus:
        raise UsageError("--gpus needs --on ray; on this machine, use --device cuda.")
    return on


def engine_with(precision: str, engine: str) -> str:
    """The engine whose 1x1 convolutions multiply with this precision; UsageError if there is none.

    >>> engine_with("bf16", "auto")
    'native_bf16'
    """
    if precision not in ("float32", "bf16"):
        raise UsageError(f"Unknown precision {precision!r}; {nearest(precision, ('float32', 'bf16'))}")
    if precision == "float32":
        return engine
    if engine == "torch":
        raise UsageError(
            "Only the native engine multiplies in bfloat16: leave out --engine torch, or --precision bf16."
        )
    return "native_bf16"


def image_size(text: str | None) -> "Size":
    """The height and width that --size gives, or "own", or None if it was not given; UsageError if it is no size.

    >>> image_size("32x48"), image_size("32x48:fit"), image_size("own")
    ((32, 48), (32, 48, 'fit'), 'own')
    """
    if text is None or text == "own":
        return "own" if text else None
    height, _, rest = text.lower().partition("x")
    width, colon, fitting = rest.partition(":")
    right = height.isdecimal() and width.isdecimal() and 4 <= int(height) <= 256 and 4 <= int(width) <= 256
    if not right or (colon and fitting not in ("centre", "fit")):
        raise UsageError(
            "--size takes HEIGHTxWIDTH from 4 to 256, such as 32x48, perhaps with :centre or :fit after it, or own;"
            f" given {text!r:.40}."
        )
    sides = int(height), int(width)
    return (*sides, "centre" if fitting == "centre" else "fit") if colon else sides


def say(line: str) -> None:
    """Print a line for people, with control characters (file names may hold some) made harmless to a terminal."""
    print(wrap(printable(line, lines=True), sys.stdout))


def print_json(document: Any) -> None:
    """Print the one document of a verb called with --json."""
    print(json.dumps(document, allow_nan=False))


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


def overrides(ctx: typer.Context) -> Changed:
    """The settings that a verb's options change, by dotted name; those given with --set take precedence."""
    given = {field: ctx.params[name] for name, field in FIELDS.items() if name in ctx.params}
    found: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if ctx.params["settings"]:
        from featherweight.experiments.settings import parsed

        found |= parsed(ctx.params["settings"])
    return tuple(found.items())
