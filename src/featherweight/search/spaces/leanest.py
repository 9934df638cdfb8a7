"""As few multiply-adds as can still be accurate: early pools and larger first kernels, under a limit of MACs."""

from typing import TYPE_CHECKING

import featherweight as fw

if TYPE_CHECKING:
    import optuna


def propose(trial: "optuna.Trial") -> fw.Proposal:
    """A narrow first layer of 3 or 5 pixels and a pool; then two to five convolutions, with another pool or not."""
    depth = trial.suggest_int("depth", 3, 6)
    separable = trial.suggest_categorical("separable", [True, False])
    kind, most = ("separable width", 40) if separable else ("width", 24)
    widths = [
        trial.suggest_int("first width", 2, 8),
        *(trial.suggest_int(f"{kind} {number}", 6, most) for number in range(2, depth + 1)),
    ]
    second = trial.suggest_int("second pool after", 1, 3)  # 1: there is no second one
    first_kernel = trial.suggest_categorical("first kernel", [3, 5])
    side = (29 - first_kernel) // 2 - 2 * (depth - 1) if second == 1 else 0
    global_depthwise = trial.suggest_categorical("weighed places", [False, True])
    return fw.Proposal(
        network=fw.stack(
            widths,
            pool_after=sorted({1, second}),
            kernels=[first_kernel, *[3] * (depth - 1)],
            separable=separable,
            map_side=side if global_depthwise and side > 1 else 0,
        ),
        recipe=fw.Recipe(
            epochs=15,
            batch=64,
            lr=fw.rounded(trial.suggest_float("lr", 0.03, 0.3, log=True)),
            weight_decay=2e-4,
            schedule=fw.OneCycle(peak_at=0.15),
            augment=fw.Augment(
                rotate_deg=8, shift_px=trial.suggest_float("shift", 0, 2, step=0.5), scale=0.1, shear=0.1
            ),
            hard=fw.HardExamples(factor=trial.suggest_categorical("hard factor", [1, 5, 10])),
            plain_epochs=2,
            average=0.998,
        ),
    )


space = fw.Space(name="leanest", propose=propose, budget=fw.Budget(macs=250_000))
