"""The larger network of the exercise before, which the write-up still prints.

Target: 99.40 % and more, held to the end.
Why: the published summary and log are of this network, which is over the limit of 8,000 parameters; it shows what the
recipe gives when weights are not the limit.

Open: Network and log are those of the author's exercise before (github.com/piygr/s6erav1), copied into the first
version of this write-up and replaced by those of `a9` minutes later; so it is no rung of this ladder and has no
parent. Layers, dropout of 2 % of the channels, rates and images follow that exercise's code. It reports up to 99.60 %
of the test images, 99.58 % at the end, and 99.08 % of the training images.

Result: 99.55 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.04, worst 99.49). Worst
of any last 5 epochs 99.48; 4 of 4 within budget. Training images as they are: 99.65 %. Best epoch, for reference: 99.57
on average, where 99.60 is claimed.

Analysis: Ours: it is over the limit of 8,000 parameters that its source sets (borne out). Ours: 99.40 % is held for the
last five epochs (borne out). Ours: nothing is gained after epoch 15, where the rate falls to 0.0001 (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Six convolutions and two pools; a 1 x 1 convolution scores each place, and the scores are averaged."""
    # fmt: off
    # In the margin: channels, height, width, field.
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.Dropout2d(0.02),     #  8 28 28  3
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.Dropout2d(0.02),     #  8 28 28  5
        nn.MaxPool2d(2),                                                                     #  8 14 14  6
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(16), nn.Dropout2d(0.02),   # 16 14 14 10
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(16), nn.Dropout2d(0.02),  # 16 14 14 14
        nn.Conv2d(16, 32, 3), nn.ReLU(), nn.BatchNorm2d(32), nn.Dropout2d(0.02),             # 32 12 12 18
        nn.MaxPool2d(2),                                                                     # 32  6  6 20
        nn.Conv2d(32, 32, 3), nn.ReLU(), nn.BatchNorm2d(32), nn.Dropout2d(0.02),             # 32  4  4 28
        nn.Conv2d(32, 10, 1),                                                                # 10  4  4 28
        nn.AvgPool2d(4),                                                                     # 10  1  1 40
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    title="the larger network of the exercise before, steps in the rate",
    network=network,
    recipe=fw.Recipe(
        epochs=20,
        batch=64,
        lr=0.01,
        nesterov=False,
        schedule=fw.Step(every_epochs=7),
        augment=fw.Augment(centre_crop=6 / 28, centre_crop_probability=0.1),
        augment_then=fw.Augment(rotate_deg=15, interpolation="nearest"),
    ),
    budget=fw.Budget(parameters=20_000, epochs=20),
    claims=(
        fw.Claim(
            "Ours: it is over the limit of 8,000 parameters that its source sets.", fw.claims.too_many_parameters()
        ),
        fw.Claim("Ours: 99.40 % is held for the last five epochs.", fw.claims.holds()),
        fw.Claim(
            "Ours: nothing is gained after epoch 15, where the rate falls to 0.0001.", fw.claims.stalls(after_epoch=15)
        ),
    ),
    claimed=99.6,
)
