"""CIFAR-10 under 50,000 parameters, held over the last five epochs.

Target: 85.00 % in each of the last five epochs on every one of five seeds, with fewer than 50,000 parameters in 20
epochs.
Why: MLPerf Tiny asks 85 % of 200 pictures of a network of 78,000 parameters, once; its own ResNet8 in 8 bits gets
86.97 % of all 10,000 right.

Result: 88.55 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.14, worst 88.44). Worst
of any last 5 epochs 86.60; 5 of 5 within budget. Training images as they are: 92.34 %. Best epoch, for reference: 88.55
on average. Not yet confirmed on fresh seeds.

Analysis: It holds 85.00 % on every seed (borne out). It beats the ladder's last step (borne out).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 3, classes: int = 10) -> nn.Sequential:
    """Separable convolutions at three sizes, with sums where the width stays, after a whole one."""
    # fmt: off
    return nn.Sequential(                                        # channels height width field
        fw.conv_norm_relu(channels, 32, padding=1),              # 32 32 32  3
        fw.separable_norm_relu(32, 48, padding=1),               # 48 32 32  5
        fw.Residual(fw.separable_norm_relu(48, 48, padding=1)),  # 48 32 32  7
        nn.MaxPool2d(2),                                         # 48 16 16  8
        fw.separable_norm_relu(48, 72, padding=1),               # 72 16 16 12
        fw.Residual(fw.separable_norm_relu(72, 72, padding=1)),  # 72 16 16 16
        fw.Residual(fw.separable_norm_relu(72, 72, padding=1)),  # 72 16 16 20
        nn.MaxPool2d(2),                                         # 72  8  8 22
        fw.separable_norm_relu(72, 92, padding=1),               # 92  8  8 30
        fw.Residual(fw.separable_norm_relu(92, 92, padding=1)),  # 92  8  8 38
        fw.Residual(fw.separable_norm_relu(92, 92, padding=1)),  # 92  8  8 46
        nn.AdaptiveAvgPool2d(1),                                 # 92  1  1 74
        nn.Flatten(),
        nn.Linear(92, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="h5",
    title="CIFAR-10 under 50,000 parameters",
    data="cifar10",
    network=network,
    recipe=fw.Recipe(
        epochs=20,
        batch=64,
        lr=0.2,
        weight_decay=5e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(pad_px=2, border="reflect", flip=0.5),
        plain_epochs=2,
        average=0.999,
    ),
    budget=fw.Budget(parameters=50_000, epochs=20, accuracy=85.0),
    bar=fw.Bar(seeds=5, passed=5),
    claims=(
        fw.Claim("It holds 85.00 % on every seed.", fw.claims.holds(85.0)),
        fw.Claim("It beats the ladder's last step.", fw.claims.beats_parent()),
    ),
)
