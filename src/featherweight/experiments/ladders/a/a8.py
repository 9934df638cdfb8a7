"""Random rotation of the training images.

Target: More from the same network through harder training images.
Why: people write at different slants; turned digits are new training images for nothing, and the rung before has
stopped learning from those it has.

Open: The write-up and the committed transform have -10 to 10 degrees, a note in the code 15; the write-up is
followed, and `a8_15` is the other. As in the code, the nearest pixel is taken. Rate and schedule as before. It
reports 98.36 % of the training images at epoch 17 and 99.34 % of the test images at epoch 12.

Result: 99.36 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.10, worst 99.28). Worst
of any last 5 epochs 99.24; 1 of 4 within budget. Training images as they are: 99.38 %. Best epoch, for reference: 99.40
on average, where 99.34 is claimed.

Analysis: Training is hard enough now (opinion). The number of epochs must come down (opinion). Ours: nothing is gained
after epoch 15, so it can (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions and a pool, two more and a pool, one more, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                                                                 # channels height width field
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.Dropout2d(0.05),  #  8 28 28  3
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.Dropout2d(0.05),  #  8 28 28  5
        nn.MaxPool2d(2),                                                                  #  8 14 14  6
        nn.Conv2d(8, 12, 3), nn.ReLU(), nn.BatchNorm2d(12), nn.Dropout2d(0.05),           # 12 12 12 10
        nn.Conv2d(12, 16, 3), nn.ReLU(), nn.BatchNorm2d(16), nn.Dropout2d(0.05),          # 16 10 10 14
        nn.MaxPool2d(2),                                                                  # 16  5  5 16
        nn.Conv2d(16, 20, 3), nn.ReLU(), nn.BatchNorm2d(20), nn.Dropout2d(0.05),          # 20  3  3 24
        nn.AvgPool2d(3),                                                                  # 20  1  1 32
        nn.Flatten(),
        nn.Linear(20, 10),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="a7",
    title="rotation by up to 10 degrees",
    network=network,
    recipe=fw.Recipe(
        epochs=20,
        batch=64,
        lr=0.01,
        nesterov=False,
        schedule=fw.Step(every_epochs=6),
        augment=fw.Augment(rotate_deg=10, interpolation="nearest"),
    ),
    budget=fw.Budget(epochs=20),
    claims=(
        fw.claims.opinion("Training is hard enough now."),
        fw.claims.opinion("The number of epochs must come down."),
        fw.Claim("Ours: nothing is gained after epoch 15, so it can.", fw.claims.stalls(after_epoch=15)),
    ),
    claimed=99.34,
)
