"""One network under the relaxed rule.

Target: 99.40 % with fewer than 20,000 parameters in fewer than 20 epochs.
Why: the relaxed rule leaves room for a network that a beginner can read, with every result of it on one page.

Open: The source gives the layers and the rates, and not how much is dropped nor the changes to the images; we drop 2 %
and rotate by up to 7 degrees, shift by up to 2 pixels, size from 90 to 110 % and shear by up to 0.1, which did better
on training digits held out in rows than smaller changes. Its rule asks for fewer than 20 epochs and its log has 20; we
train the 20 that it shows, and as the rate does not look at the end, the first 19 are what a run of 19 would be. It
reports up to 99.52 % of the test images, at the end, and 99.39 % of the training images.

Result: 99.44 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.02, worst 99.41). Worst
of any last 5 epochs 99.36; 1 of 3 within budget. Training images as they are: 99.57 %. Best epoch, which decides
nothing: 99.46 on average, where 99.52 is claimed.

Analysis: Ours: 99.40 % is held for the last five epochs (undecided). Ours: 99.40 % is held from epoch 15 to the end,
which the first 19 epochs share (not borne out). Ours: it does not overfit (borne out). Ours: it is stable (borne out).
Ours: nothing is gained after epoch 15 (undecided).
"""

from torch import nn

from featherweight.budget import Budget
from featherweight.claims import Claim, fluctuates, holds, no, overfits, stalls
from featherweight.experiment import Experiment
from featherweight.layers import conv_norm_relu
from featherweight.recipe import Augment, Recipe, Step


def network() -> nn.Sequential:
    """Four convolutions, a pool, two 1 x 1 layers, three more and one, the average of each channel, a linear layer."""
    # fmt: off
    return nn.Sequential(                      # channels height width field
        conv_norm_relu(1, 4, dropout=0.02),    #  4 26 26  3
        conv_norm_relu(4, 8, dropout=0.02),    #  8 24 24  5
        conv_norm_relu(8, 12, dropout=0.02),   # 12 22 22  7
        conv_norm_relu(12, 16, dropout=0.02),  # 16 20 20  9
        nn.MaxPool2d(2),                       # 16 10 10 10
        conv_norm_relu(16, 12, kernel=1),      # 12 10 10 10
        conv_norm_relu(12, 8, kernel=1),       #  8 10 10 10
        conv_norm_relu(8, 12, dropout=0.02),   # 12  8  8 14
        conv_norm_relu(12, 16, dropout=0.02),  # 16  6  6 18
        conv_norm_relu(16, 20),                # 20  4  4 22
        conv_norm_relu(20, 16, kernel=1),      # 16  4  4 22
        nn.AvgPool2d(4),                       # 16  1  1 28
        nn.Conv2d(16, 10, 1, bias=False),      # 10  1  1 28
        nn.Flatten(),
    )
    # fmt: on


experiment = Experiment(
    id="d1",
    title="batch norm, dropout, global average pooling, 0.3 of the rate every 6 epochs",
    network=network,
    recipe=Recipe(
        epochs=20,
        batch=64,
        optimizer="sgd",
        lr=0.01,
        momentum=0.9,
        nesterov=False,
        schedule=Step(every_epochs=6, factor=0.3),
        augment=Augment(rotate_deg=7, shift_px=2, scale=0.1, shear=0.1),
    ),
    budget=Budget(parameters=20_000, epochs=20),
    claims=(
        Claim("Ours: 99.40 % is held for the last five epochs.", holds()),
        Claim("Ours: 99.40 % is held from epoch 15 to the end, which the first 19 epochs share.", holds(from_epoch=15)),
        Claim("Ours: it does not overfit.", no(overfits())),
        Claim("Ours: it is stable.", no(fluctuates())),
        Claim("Ours: nothing is gained after epoch 15.", stalls(after_epoch=15)),
    ),
    claimed=99.52,
)
