"""One HTML file that reads digits while they are drawn; it works from disk, without a network connection."""

import base64
import json
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup  # comes with jinja2

from featherweight.errors import UsageError
from featherweight.experiments.augmentation import Preprocessing
from featherweight.experiments.calibration import Calibration
from featherweight.export.lowering import Lowered, Step
from featherweight.export.source import Source
from featherweight.networks.layers.activations import CURVES
from featherweight.networks.layers.norms import JAVASCRIPT

_PAIRS = ("kernel", "stride", "pad", "dilation", "bounds")
DIGITS = tuple("0123456789")


def require_digits(source: Source) -> None:
    """Raise UsageError unless the network reads digits of 28 x 28, since the page normalises drawings to that size."""
    if source.shape != (1, 28, 28) or source.classes != DIGITS:
        size = " x ".join(map(str, source.shape))
        raise UsageError(
            f"People draw digits on a page, so it needs a network for 1 x 28 x 28 and 0 to 9; this one is for {size}"
            f" and {len(source.classes)} classes. Use --to onnx or --to c."
        )


def page_html(source: Source, lowered: Lowered) -> str:
    """The HTML of the whole file; the same network gives the same text."""
    require_digits(source)
    return _template().render(
        {
            "version": source.version,
            "style": _template_part("page.css"),
            "script": _script(lowered) + (_template_part("page_known.js") if source.calibration else ""),
            "classes": source.classes,
            "parameters": f"{source.parameters:,}",
            "experiment": source.experiment,
            "seed": source.seed,
            "accuracy": f"{source.accuracy:.2f}",
            "tested": source.tested,
            "network": {
                "classes": list(source.classes), "mean": source.mean[0], "std": source.std[0], **_steps_json(lowered),
                **({"known": _known_json(source.calibration)} if source.calibration else {}),
            },
        },
    )  # fmt: skip


def _known_json(known: Calibration) -> dict[str, Any]:
    """What the page's program needs of a calibration."""
    names = ("temperature", "threshold", "typical", "step", "farthest")
    return {name: value for name in names if (value := getattr(known, name)) is not None}


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string((Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8"))


def _script(lowered: Lowered) -> Markup:
    """The page's program, with the curves that every page has had from the first, and those this network needs."""
    used = {step.kind for step in lowered.steps}
    parts = {
        kind: f"(step, from) => each(from, {curve.javascript})"
        for kind, curve in CURVES.items()
        if curve.everywhere or kind in used
    }
    parts |= {"group norm": JAVASCRIPT} if "group norm" in used else {}
    lines = [f"  {kind if kind.isidentifier() else json.dumps(kind)}: {part},\n" for kind, part in parts.items()]
    return _template_part("page.js").replace("  /* curves */\n", Markup("".join(lines)))


def _template_part(name: str) -> Markup:
    return Markup((Path(__file__).parent / name).read_text(encoding="utf-8"))


def _steps_json(lowered: Lowered) -> dict[str, Any]:
    """The steps as JSON values, with all their numbers in one text: little-endian float32 in base64."""
    steps: list[dict[str, Any]] = []
    numbers: list[np.ndarray[Any, np.dtype[np.float32]]] = []
    place = 0
    for step in lowered.steps:
        plain: dict[str, Any] = {"kind": step.kind}
        if step.source >= 0:
            plain["source"] = step.source
        if step.kind == "add":
            plain["other"] = step.other
        elif step.kind == "clip":
            plain["bounds"] = step.bounds
        elif step.kind in ("convolution", "max", "average"):
            plain |= {"kernel": step.kernel, "stride": step.stride, "pad": step.pad}
        if step.weight is not None and step.bias is not None:
            numbers += [step.weight.numpy().ravel(), step.bias.numpy().ravel()]
            outputs = step.bias.numel()
            if step.kind == "group norm":
                plain |= {"kernel": step.kernel, "eps": step.eps, "each": step.weight.shape[1:] != (1, 1)}
            if step.dilation != (1, 1):
                plain["dilation"] = step.dilation
            plain |= {"outputs": outputs, "groups": step.groups, "weight": place, "bias": place + step.weight.numel()}
            place += step.weight.numel() + outputs
        steps.append(plain)
    packed = np.concatenate(numbers).astype("<f4").tobytes()
    done = {"preprocessing": asdict(lowered.preprocessing)} if lowered.preprocessing else {}
    return {**done, "steps": steps, "numbers": base64.b64encode(packed).decode("ascii")}


def steps_in_page(text: str, lowered: Lowered) -> Lowered:
    """The steps read back from a written page; sizes and names are those of `lowered`.

    The check uses these, so that it also finds errors in writing.
    """
    found = re.search(r'<script type="application/json" id="network">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    plain = json.loads(found[1])
    numbers = torch.from_numpy(np.frombuffer(base64.b64decode(plain["numbers"]), "<f4").copy())
    steps = []
    for made in plain["steps"]:
        settings: dict[str, Any] = {name: tuple(made[name]) for name in _PAIRS if name in made}
        weight = bias = None
        if made["kind"] == "convolution":
            bias = numbers[made["bias"] : made["bias"] + made["outputs"]]
            weight = numbers[made["weight"] : made["bias"]].reshape(made["outputs"], -1, *settings["kernel"])
        elif made["kind"] == "group norm":
            shape = (-1, *(settings["kernel"] if made["each"] else (1, 1)))
            weight, bias = (numbers[made[at] :][: made["outputs"]].reshape(shape) for at in ("weight", "bias"))
        settings |= {name: made[name] for name in ("groups", "other", "source", "eps") if name in made}
        steps.append(Step(kind=made["kind"], name="", weight=weight, bias=bias, **settings))
    done = Preprocessing(**plain.get("preprocessing", {}))
    return Lowered(steps=tuple(steps), sizes=lowered.sizes, log_output=lowered.log_output, preprocessing=done)
