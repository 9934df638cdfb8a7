"""Accurate after five epochs: the same family of networks, with recipes that get there soon."""

from typing import TYPE_CHECKING

import featherweight as fw

if TYPE_CHECKING:
    import optuna


def propose(trial: "optuna.Trial") -> fw.Proposal:
    """Five or six convolutions; batch, peak rate, where the peak lies, and how long the average looks back."""
    depth = trial.suggest_int("depth", 5, 6)
    widths = [trial.suggest_int(f"width {number}", 6, 16, step=2) for number in range(1, depth + 1)]
    return fw.Proposal(
        network=fw.stack(widths, pool_after=[trial.suggest_int("pool after", 1, 2)]),
        recipe=fw.Recipe(
            epochs=trial.suggest_int("epochs", 3, 5),
            batch=trial.suggest_categorical("batch", [32, 64, 128]),
            lr=fw.rounded(trial.suggest_float("lr", 0.05, 0.5, log=True)),
            weight_decay=fw.rounded(trial.suggest_float("weight decay", 1e-5, 1e-3, log=True)),
            schedule=fw.OneCycle(peak_at=fw.rounded(trial.suggest_float("peak at", 0.1, 0.4, step=0.05))),
            augment=fw.Augment(
                rotate_deg=trial.suggest_float("rotate", 0, 8, step=2),
                shift_px=trial.suggest_float("shift", 0, 2, step=0.5),
                scale=fw.rounded(trial.suggest_float("scale", 0, 0.1, step=0.05)),
            ),
            plain_epochs=1,
            average=trial.suggest_categorical("average", [0.98, 0.99, 0.995, 0.998]),
        ),
    )


space = fw.Space(name="fastest", propose=propose, budget=fw.Budget(epochs=5, held=1))
