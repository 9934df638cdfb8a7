"""Three fifths of the multiply-adds of `leanest`, with separable convolutions.

Target: fewer than 150,000 MACs an image, and 99.40 % in each of the last five epochs on eight seeds of ten.
Why: `leanest` spends its multiply-adds on whole convolutions. A first one of stride 2 needs no pool, and separable ones
after it afford twice the width.

Result: 99.49 % of the test set at the last epoch, on average over 20 seeds (standard deviation 0.06, worst 99.37).
Worst of any last 5 epochs 99.35; 15 of 20 within budget. Training images as they are: 99.76 %. Best epoch, for
reference: 99.53 on average. Not confirmed on seeds 10 to 29, which are fresh.

Analysis: It holds 99.40 % on every seed (not borne out). On held-out digits it was more accurate than `leanest` with
three fifths of the multiply-adds (opinion). A first convolution of stride 2 costs a quarter of one of stride 1 and
needs no pool (opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution of stride 2, five separable ones that widen, the average of each channel, a linear layer."""
    # fmt: off
    return nn.Sequential(                          # channels height width field
        fw.conv_norm_relu(channels, 9, stride=2),  #  9 13 13  3
        fw.separable_norm_relu(9, 14),             # 14 11 11  7
        fw.separable_norm_relu(14, 18),            # 18  9  9 11
        fw.separable_norm_relu(18, 26),            # 26  7  7 15
        fw.separable_norm_relu(26, 34),            # 34  5  5 19
        fw.separable_norm_relu(34, 40),            # 40  3  3 23
        nn.AdaptiveAvgPool2d(1),                   # 40  1  1 27
        nn.Flatten(),
        nn.Linear(40, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="leanest",
    title="separable convolutions after one of stride 2, for three fifths of the multiply-adds",
    network=network,
    recipe=fw.Recipe(
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.4, elastic_cells=6),
        hard=fw.HardExamples(factor=10),
        plain_epochs=2,
        average=0.998,
    ),
    budget=fw.Budget(macs=150_000),
    bar=fw.Bar(passed=8),
    claims=(
        fw.Claim("It holds 99.40 % on every seed.", fw.claims.holds(99.4)),
        fw.claims.opinion(
            "On held-out digits it was more accurate than `leanest` with three fifths of the multiply-adds."
        ),
        fw.claims.opinion("A first convolution of stride 2 costs a quarter of one of stride 1 and needs no pool."),
    ),
)
