"""One network under the relaxed rule.

Target: 99.40 % with fewer than 20,000 parameters in fewer than 20 epochs.
Why: the relaxed rule leaves room for a network that a beginner can read, with every result of it on one page.

Open: The write-up gives the layers and the rates; its code drops 2.5 % of the values, and turns the normalised images
by up to 5 degrees, taking the nearest pixel and filling the corners with 0.1307, which is a grey of 0.171. Its rule
asks for fewer than 20 epochs and its log has 20; we train the 20 that it shows, and as the rate does not look at the
end, the first 19 are what a run of 19 would be. It reports up to 99.52 % of the test images, at the end, and 99.39 %
of the training images. Its accuracies of the classes are of ten images of each batch of 64, 1,570 in all, cut to
whole percents.

Result: 99.42 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.05, worst 99.35). Worst
of any last 5 epochs 99.33; 2 of 4 within budget. Training images as they are: 99.70 %. Best epoch, for reference: 99.45
on average, where 99.52 is claimed.

Analysis: Ours: 99.40 % is held for the last five epochs (not borne out). Ours: 99.40 % is held from epoch 15 to the
end, which the first 19 epochs share (not borne out). Ours: it does not overfit (not borne out). Ours: it is stable
(borne out). Ours: nothing is gained after epoch 15 (undecided).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Four convolutions, a pool, two 1 x 1 layers, three more and one, the average of each channel, a linear layer."""
    # fmt: off
    return nn.Sequential(                         # channels height width field
        fw.conv_norm_relu(1, 4, dropout=0.025),    #  4 26 26  3
        fw.conv_norm_relu(4, 8, dropout=0.025),    #  8 24 24  5
        fw.conv_norm_relu(8, 12, dropout=0.025),   # 12 22 22  7
        fw.conv_norm_relu(12, 16, dropout=0.025),  # 16 20 20  9
        nn.MaxPool2d(2),                          # 16 10 10 10
        fw.conv_norm_relu(16, 12, kernel=1),      # 12 10 10 10
        fw.conv_norm_relu(12, 8, kernel=1),       #  8 10 10 10
        fw.conv_norm_relu(8, 12, dropout=0.025),   # 12  8  8 14
        fw.conv_norm_relu(12, 16, dropout=0.025),  # 16  6  6 18
        fw.conv_norm_relu(16, 20),                # 20  4  4 22
        fw.conv_norm_relu(20, 16, kernel=1),      # 16  4  4 22
        nn.AvgPool2d(4),                          # 16  1  1 28
        nn.Conv2d(16, 10, 1, bias=False),         # 10  1  1 28
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    title="batch norm, dropout, global average pooling, 0.3 of the rate every 6 epochs",
    network=network,
    recipe=fw.Recipe(
        epochs=20,
        batch=64,
        lr=0.01,
        nesterov=False,
        schedule=fw.Step(every_epochs=6, factor=0.3),
        augment=fw.Augment(rotate_deg=5, interpolation="nearest", fill=0.171),
    ),
    budget=fw.Budget(parameters=20_000, epochs=20),
    rule=fw.Budget(parameters=20_000, epochs=19),
    claims=(
        fw.Claim("Ours: 99.40 % is held for the last five epochs.", fw.claims.holds()),
        fw.Claim(
            "Ours: 99.40 % is held from epoch 15 to the end, which the first 19 epochs share.",
            fw.claims.holds(from_epoch=15),
        ),
        fw.Claim("Ours: it does not overfit.", fw.claims.no(fw.claims.overfits())),
        fw.Claim("Ours: it is stable.", fw.claims.no(fw.claims.fluctuates())),
        fw.Claim("Ours: nothing is gained after epoch 15.", fw.claims.stalls(after_epoch=15)),
    ),
    claimed=99.52,
)
