"""The most accurate under the published rule: fewer than 8,000 parameters, at most 15 epochs."""

from typing import TYPE_CHECKING

import featherweight as fw

if TYPE_CHECKING:
    import optuna


def propose(trial: "optuna.Trial") -> fw.Proposal:
    """Five to eight convolutions that widen; every strength of augmentation; rate, decay and average."""
    depth = trial.suggest_int("depth", 5, 8)
    first, last = trial.suggest_int("first width", 6, 12), trial.suggest_int("last width", 10, 20)
    widths = [round(first + (last - first) * number / (depth - 1)) for number in range(depth)]
    return fw.Proposal(
        network=fw.stack(
            widths,
            pool_after=[trial.suggest_int("pool after", 1, 3)],
            dropout=trial.suggest_float("dropout", 0, 0.05, step=0.025),
        ),
        recipe=fw.Recipe(
            epochs=15,
            batch=trial.suggest_categorical("batch", [32, 64, 128]),
            lr=fw.rounded(trial.suggest_float("lr", 0.03, 0.3, log=True)),
            weight_decay=fw.rounded(trial.suggest_float("weight decay", 1e-5, 1e-3, log=True)),
            schedule=fw.OneCycle(peak_at=fw.rounded(trial.suggest_float("peak at", 0.1, 0.4, step=0.05))),
            augment=fw.Augment(
                rotate_deg=trial.suggest_float("rotate", 0, 14, step=2),
                shift_px=trial.suggest_float("shift", 0, 3, step=0.5),
                scale=fw.rounded(trial.suggest_float("scale", 0, 0.2, step=0.05)),
                shear=fw.rounded(trial.suggest_float("shear", 0, 0.2, step=0.05)),
                elastic_px=fw.rounded(trial.suggest_float("elastic", 0, 1, step=0.2)),
                elastic_cells=trial.suggest_int("elastic cells", 4, 8, step=2),
            ),
            hard=fw.HardExamples(factor=trial.suggest_categorical("hard factor", [1, 5, 10])),
            plain_epochs=trial.suggest_int("plain epochs", 0, 3),
            average=trial.suggest_categorical("average", [0.99, 0.995, 0.998]),
        ),
    )


space = fw.Space(name="accurate", propose=propose, budget=fw.Budget())
