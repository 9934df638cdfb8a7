"""A rate that falls when test loss stalls.

Target: 99.40 % in each of the last epochs, not once.
Why: at a constant rate the weights jump around their goal to the end, and an accuracy that is met at a lucky epoch is
none.

Open: The write-up gives ReduceLROnPlateau and none of its settings; those of its notebook are followed. From 0.01 the
rate is halved after every epoch in which test loss has not fallen by 0.0001 of the best: the test set has a say in
its own result here. It reports 98.85 % of the training images and 99.44 % of the test images.

Result: 99.42 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.03, worst 99.40). Worst
of any last 5 epochs 99.31; 0 of 4 within budget. Training images as they are: 99.60 %. Best epoch, for reference: 99.44
on average, where 99.44 is claimed.

Analysis: Test accuracy is stable (borne out). 99.40 % is held for the last two epochs (not borne out). Ours: 99.40 % is
held for the last three epochs (not borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Twice two padded convolutions and a pool, one more, the average of each channel, two 1 x 1 layers."""
    # fmt: off
    # In the margin: channels, height, width, field.
    return nn.Sequential(
        nn.Conv2d(1, 9, 3, padding=1, bias=False), nn.Dropout(0.01), nn.ReLU(), nn.BatchNorm2d(9),     #  9 28 28  3
        nn.Conv2d(9, 10, 3, padding=1, bias=False), nn.Dropout(0.01), nn.ReLU(),                       # 10 28 28  5
        nn.MaxPool2d(2), nn.BatchNorm2d(10),                                                           # 10 14 14  6
        nn.Conv2d(10, 16, 3, padding=1, bias=False), nn.Dropout(0.01), nn.ReLU(), nn.BatchNorm2d(16),  # 16 14 14 10
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.Dropout(0.01), nn.ReLU(),                      # 16 14 14 14
        nn.MaxPool2d(2), nn.BatchNorm2d(16),                                                           # 16  7  7 16
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.Dropout(0.01), nn.ReLU(),                      # 16  7  7 24
        nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(16),                                                   # 16  1  1 48
        nn.Conv2d(16, 32, 1, bias=False), nn.Dropout(0.01), nn.ReLU(), nn.BatchNorm2d(32),             # 32  1  1 48
        nn.Conv2d(32, 10, 1),                                                                          # 10  1  1 48
        nn.Flatten(),
        nn.LogSoftmax(dim=1),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="b5",
    title="plateau schedule",
    network=network,
    recipe=fw.Recipe(
        batch=32,
        lr=0.01,
        nesterov=False,
        schedule=fw.Plateau(quantity="test_loss", factor=0.5, patience_epochs=0, threshold=0.0001),
        augment=fw.Augment(rotate_deg=7, interpolation="nearest"),
        augment_then=fw.Augment(perspective=0.3, perspective_probability=0.5, whole_px=True),
        loss="nll",
    ),
    claims=(
        fw.Claim("Test accuracy is stable.", fw.claims.no(fw.claims.fluctuates())),
        fw.Claim("99.40 % is held for the last two epochs.", fw.claims.holds(last=2)),
        fw.Claim("Ours: 99.40 % is held for the last three epochs.", fw.claims.holds(last=3)),
    ),
    claimed=99.44,
)
