"""As few parameters as can still be accurate: narrow stacks of 3 x 3 convolutions, whole or depthwise-separable."""

from typing import TYPE_CHECKING

import featherweight as fw

if TYPE_CHECKING:
    import optuna


def propose(trial: "optuna.Trial") -> fw.Proposal:
    """Four to eight convolutions, how many of them are padded, how the last map ends, how hard images are changed."""
    depth = trial.suggest_int("depth", 4, 8)
    separable = trial.suggest_categorical("separable", [True, False])
    kind, most = ("separable width", 24) if separable else ("width", 14)
    widths = [
        trial.suggest_int("first width", 4, 14),
        *(trial.suggest_int(f"{kind} {number}", 4, most) for number in range(2, depth + 1)),
    ]
    first, padded = trial.suggest_int("pool after", 1, 3), trial.suggest_int("padded", 0, 4)
    end = trial.suggest_categorical("end", ["average", "second pool", "weighed places"])
    pads = [int(first < number <= first + padded) for number in range(1, depth + 1)]
    side = (28 - 2 * first) // 2 - 2 * (depth - first - sum(pads))
    return fw.Proposal(
        network=fw.stack(
            widths,
            pool_after=[first, first + 2] if end == "second pool" and first + 2 < depth else [first],
            padding=pads,
            separable=separable,
            map_side=side if end == "weighed places" and side > 1 else 0,
        ),
        recipe=fw.Recipe(
            epochs=15,
            batch=64,
            lr=fw.rounded(trial.suggest_float("lr", 0.03, 0.3, log=True)),
            weight_decay=fw.rounded(trial.suggest_float("weight decay", 1e-5, 1e-3, log=True)),
            schedule=fw.OneCycle(peak_at=0.15),
            augment=fw.Augment(
                rotate_deg=trial.suggest_float("rotate", 0, 12, step=2),
                shift_px=trial.suggest_float("shift", 0, 2.5, step=0.5),
                scale=0.1,
                shear=0.1,
                elastic_px=fw.rounded(trial.suggest_float("elastic", 0, 0.8, step=0.2)),
            ),
            hard=fw.HardExamples(factor=trial.suggest_categorical("hard factor", [1, 5, 10])),
            plain_epochs=2,
            average=0.998,
        ),
    )


space = fw.Space(name="smallest", propose=propose, budget=fw.Budget(parameters=3500))
