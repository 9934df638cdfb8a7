"""The native engine prepares pictures as PyTorch does, trains on them alike, and refuses what it cannot."""

import copy

import pytest
import torch
from torch import nn

import featherweight as fw
from featherweight.engine import build_engine, native
from featherweight.engine.program import lower_for_training
from featherweight.errors import UsageError

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(native.library() is None, reason="the native kernels are not built here")
END = (nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
       nn.Linear(4, 3))  # fmt: skip


@pytest.mark.parametrize(
    ("first", "shape"),
    [
        ((fw.Crop(1),), (2, 11, 13)),
        ((fw.Crop(2), nn.Sequential(fw.Crop(1))), (2, 17, 13)),
        ((fw.Deskew(),), (1, 11, 13)),
        ((fw.Deskew(), fw.Crop(2)), (1, 16, 15)),
    ],
)  # fmt: skip
def test_pictures_are_prepared_as_in_torch(first: tuple[nn.Module, ...], shape: tuple[int, int, int]) -> None:
    torch.manual_seed(3)
    network = nn.Sequential(*first, nn.Conv2d(shape[0], 2, 1), *copy.deepcopy(END))
    reference = copy.deepcopy(network).double()
    engine = build_engine("native", network, fw.Recipe(), shape=shape, device=CPU, batch=21, threads=2)
    images, labels = torch.rand(21, *shape), torch.arange(21) % 3
    images += 3 * torch.stack([torch.eye(shape[1], shape[2]), torch.zeros(shape[1:])])[torch.arange(21) % 2][:, None]
    images[:2] = torch.tensor([0.0, 0.7])[:, None, None, None]
    mean, _ = engine.step(images, labels, 0)
    loss = nn.functional.cross_entropy(reference.train()(images.double()), labels)
    loss.backward()
    assert abs(mean.item() - loss.item()) < 1e-5
    for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        assert (ours.grad.double() - theirs.grad).norm() < 1e-5 * max(5e-2, theirs.grad.norm())
    assert torch.allclose(engine.scores(images).double(), reference.eval()(images.double()), atol=1e-5)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([nn.Conv2d(2, 2, 1), fw.Crop(1), *END], r"Layer 1 \(Crop\) comes after other layers"),
        ([nn.ReLU(), fw.Crop(1), *END], r"Layer 1 \(Crop\) comes after other layers"),
        ([fw.Crop(1), fw.Deskew(), *END], r"Layer 1 \(Deskew\) comes after another layer that prepares"),
        ([fw.Deskew(), *END], r"Layer 0 \(Deskew\) gets more than one channel"),
        ([fw.Crop(4), *END], r"Layer 0 \(Crop\) leaves nothing of 8 x 8"),
        (
            [fw.Sum(nn.Sequential(fw.Crop(1), nn.Conv2d(2, 2, 1)), nn.Conv2d(2, 2, 3)), *END],
            "comes after other layers or in a branch",
        ),
    ],
)
def test_pictures_are_prepared_first_or_not_at_all(layers: list[nn.Module], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        lower_for_training(nn.Sequential(*layers), (2, 8, 8))


def test_the_convolutions_measured_leave_out_the_gradient_of_pictures() -> None:
    from featherweight.engine import _plain_macs

    network = nn.Sequential(fw.Crop(1), nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 16, 3))
    # 6 x 6 pixels are left, 4 x 4 after the convolution: its weights' gradient, but none of what it reads.
    assert _plain_macs(lower_for_training(network, (1, 8, 8))) == 2 * (16 * 4 * 9) + 3 * (4 * 16 * 3)
