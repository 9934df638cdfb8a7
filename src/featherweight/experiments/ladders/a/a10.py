"""The larger network that the source prints, with rates lowered twice.

Target: 99.40 % and more, held to the end.
Why: the published summary and log are not of the network that the rung before describes but of this one, which is
over the limit of 8,000 parameters; it shows what the recipe gives when weights are not the limit.

Open: The source gives the layers, the rates and both logs, and not how much is dropped nor the augmentation; we take
5 % of the channels and the rotation of the rung before. It reports up to 99.60 % of the test images, 99.58 % at the
end, and 99.08 % of the training images.

Result: 99.49 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.03, worst 99.46). Worst
of any last 5 epochs 99.46; 3 of 3 within budget. Training images as they are: 99.65 %. Best epoch, for reference: 99.52
on average, where 99.60 is claimed.

Analysis: Ours: it is over the limit of 8,000 parameters that its source sets (borne out). Ours: 99.40 % is held for the
last five epochs (borne out). Ours: it beats the smaller network of the rung before (undecided). Ours: nothing is gained
after epoch 15, where the rate falls to 0.0001 (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Six convolutions and two pools; a 1 x 1 convolution scores each place, and the scores are averaged."""
    # fmt: off
    # In the margin: channels, height, width, field.
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.Dropout2d(0.05),     #  8 28 28  3
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.Dropout2d(0.05),     #  8 28 28  5
        nn.MaxPool2d(2),                                                                     #  8 14 14  6
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(16), nn.Dropout2d(0.05),   # 16 14 14 10
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(16), nn.Dropout2d(0.05),  # 16 14 14 14
        nn.Conv2d(16, 32, 3), nn.ReLU(), nn.BatchNorm2d(32), nn.Dropout2d(0.05),             # 32 12 12 18
        nn.MaxPool2d(2),                                                                     # 32  6  6 20
        nn.Conv2d(32, 32, 3), nn.ReLU(), nn.BatchNorm2d(32), nn.Dropout2d(0.05),             # 32  4  4 28
        nn.Conv2d(32, 10, 1),                                                                # 10  4  4 28
        nn.AdaptiveAvgPool2d(1),                                                             # 10  1  1 40
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="a9",
    title="the larger network of the published log, steps in the rate",
    network=network,
    recipe=fw.Recipe(
        epochs=20,
        batch=64,
        lr=0.01,
        nesterov=False,
        schedule=fw.MultiStep(at_epochs=(8, 15)),
        augment=fw.Augment(rotate_deg=10),
    ),
    budget=fw.Budget(parameters=20_000, epochs=20),
    claims=(
        fw.Claim(
            "Ours: it is over the limit of 8,000 parameters that its source sets.", fw.claims.too_many_parameters()
        ),
        fw.Claim("Ours: 99.40 % is held for the last five epochs.", fw.claims.holds()),
        fw.Claim("Ours: it beats the smaller network of the rung before.", fw.claims.beats_parent()),
        fw.Claim(
            "Ours: nothing is gained after epoch 15, where the rate falls to 0.0001.", fw.claims.stalls(after_epoch=15)
        ),
    ),
    claimed=99.6,
)
