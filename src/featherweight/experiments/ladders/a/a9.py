"""A high rate that falls when test accuracy stalls, in 15 epochs.

Target: 99.40 % in each of the last five epochs, within 15 epochs.
Why: a rate of 0.1 gets near the goal in few epochs but jumps around it; lowering it tenfold whenever nothing improves
takes the jumping out where it begins to cost.

Open: The write-up gives ReduceLROnPlateau with lr 0.1, patience 2 and threshold 0.001. Its code watches test
accuracy, so the test set has a say in its own result here; the threshold is absolute there, which is 0.1 points. The
committed scheduler has a patience of 1, but the printed log fits 2 alone; `a9_patience_1` is the other. It reports
98.73 % of the training images at epoch 14 and 99.41 % of the test images at epoch 12, and ends at 99.36 %.

Result: 99.40 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.05, worst 99.34). Worst
of any last 5 epochs 99.29; 2 of 4 within budget. Training images as they are: 99.52 %. Best epoch, for reference: 99.42
on average, where 99.41 is claimed.

Analysis: The learning rate sets how many epochs it takes (undecided). So does the batch size (opinion). Ours: 99.40 %
is held for the last three epochs (not borne out). Ours: it beats the rate that falls every 6 epochs (undecided).
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
    parent="a8",
    title="plateau schedule from 0.1, 15 epochs",
    network=network,
    recipe=fw.Recipe(
        batch=64,
        nesterov=False,
        schedule=fw.Plateau(quantity="test_accuracy", threshold=0.1, threshold_mode="absolute"),
        augment=fw.Augment(rotate_deg=10, interpolation="nearest"),
    ),
    claims=(
        fw.Claim("The learning rate sets how many epochs it takes.", fw.claims.converges_faster(99.3)),
        fw.claims.opinion("So does the batch size."),
        fw.Claim("Ours: 99.40 % is held for the last three epochs.", fw.claims.holds(last=3)),
        fw.Claim("Ours: it beats the rate that falls every 6 epochs.", fw.claims.beats_parent()),
    ),
    claimed=99.41,
)
