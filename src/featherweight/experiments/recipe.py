"""Recipes: every choice of a training run except the network, the data and the seed. Needs no torch.

Plain frozen data; what the settings do is implemented in `data.augment` and `training`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from featherweight.experiments.augmentation import Augment as Augment
from featherweight.experiments.schema import (
    BelowOne,
    Count,
    CountOrZero,
    Epochs,
    EpochsOrZero,
    Later,
    NotNegative,
    OneOrMore,
    Positive,
    Seed,
    Share,
    Text,
    check_fields,
    documented,
    from_plain,
    require,
    to_plain,
)  # fmt: skip


@documented
@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Base class of the schedules. The learning rate is set before every step, by `training.schedule.rate`."""

    KINDS: ClassVar[Mapping[str, type["Schedule"]]]
    """The kinds of schedules by the names that recipes call them."""

    warmup_epochs: NotNegative = 0.0
    """The rate first rises linearly from zero, step by step, over this many epochs; may be fractional (Goyal et al.,
    "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017)."""

    def __post_init__(self) -> None:
        check_fields(self)


@documented
@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """A learning-rate schedule: the same throughout."""


@documented
@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """The rate is multiplied by `factor` after every `every_epochs` epochs."""

    every_epochs: Epochs
    """The interval in epochs."""
    factor: Share = 0.1
    """What the rate is multiplied by."""


@documented
@dataclass(frozen=True, kw_only=True)
class MultiStep(Schedule):
    """The rate is multiplied by `factor` at the start of each of these epochs (counted from 1)."""

    at_epochs: tuple[Epochs, ...]
    """The epochs, counted from 1."""
    factor: Share = 0.1
    """What the rate is multiplied by."""


@documented
@dataclass(frozen=True, kw_only=True)
class Plateau(Schedule):
    """The rate is multiplied by `factor` when a quantity has not improved for more than `patience_epochs` epochs."""

    quantity: Literal["train_loss", "train_accuracy", "test_loss", "test_accuracy"] = "train_loss"
    """The column of the history to watch; losses should fall, accuracies rise. The published recipes watch the test
    set; with held-out images, the test columns refer to those."""
    factor: Share = 0.1
    """What the rate is multiplied by."""
    patience_epochs: EpochsOrZero = 2
    """How many epochs without improvement are borne; 0 lowers the rate after each of them."""
    threshold: NotNegative = 0.001
    """An improvement must exceed this fraction of the best value so far, or, in the absolute mode, this much of the
    quantity's own unit: points of accuracy, nats of loss."""
    threshold_mode: Later[Literal["relative", "absolute"]] = "relative"
    """How `threshold` is meant, as in PyTorch's `ReduceLROnPlateau`."""


@documented
@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Up to the peak and down again along half cosines (Smith and Topin, "Super-Convergence: Very Fast Training of
    Neural Networks Using Large Learning Rates", 2018; shaped as in PyTorch's `OneCycleLR`)."""

    peak_at: Share = 0.3
    """The fraction of all steps after which the peak is reached."""
    start: Share = 0.04
    """The first rate as a fraction of the peak."""
    floor: Share = 0.0001
    """The last rate as a fraction of the peak."""


@documented
@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """A learning-rate schedule: half a cosine down (Loshchilov and Hutter, "SGDR", 2017), to `floor` times the peak."""

    floor: Share = 0.0
    """The last rate as a fraction of the peak."""


@documented
@dataclass(frozen=True, kw_only=True)
class Linear(Schedule):
    """A learning-rate schedule: down along a straight line, to `floor` times the peak."""

    floor: Share = 0.0
    """The last rate as a fraction of the peak."""


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": Step,
    "multi_step": MultiStep,
    "plateau": Plateau,
    "one_cycle": OneCycle,
    "cosine": Cosine,
    "linear": Linear,
}
Schedule.KINDS = SCHEDULES


@documented
@dataclass(frozen=True, kw_only=True)
class Distil:
    """Learning from a teacher's predictions as well as the labels (Hinton et al., "Distilling the Knowledge in a Neural
    Network", 2015): (1 - share) * loss(labels) + share * T^2 * cross-entropy with the teacher's predictions at T."""

    teacher: Text
    """The experiment whose finished runs teach, trained beforehand on exactly the same images; or a network's file."""
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1)] = (0,)
    """The seeds of those runs; the targets are the mean of their probabilities. With images held out, which a run's
    seed decides, the run of the student's own seed teaches instead, since it has seen none of them."""
    share: Share = 0.5
    """The teacher's share of the loss."""
    temperature: OneOrMore = 1.0
    """T, by which both the teacher's and the student's scores are divided before the softmax."""

    def __post_init__(self) -> None:
        check_fields(self)


@documented
@dataclass(frozen=True, kw_only=True)
class HardExamples:
    """Sampling images with a high loss more often (after Loshchilov and Hutter, "Online Batch Selection for Faster
    Training of Neural Networks", 2016, who rank by loss). The size of an epoch is unchanged; the expected number of
    times that it contains an image is proportional to 1 + (factor - 1) * min(1, image's loss / loss).

    From the second epoch on, each epoch starts by computing the losses of the unaugmented images with the network that
    is evaluated and saved. Plain epochs take each image once.
    """

    factor: OneOrMore = 5.0
    """How many times as often the hardest images are taken as perfectly learned ones."""
    loss: Positive = 0.1
    """Cross-entropy in nats at and above which an image counts as one of the hardest."""

    def __post_init__(self) -> None:
        check_fields(self)


@documented
@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything about a training run except the network, the data and the seed."""

    epochs: Epochs = 15
    """Passes over the training set."""
    batch: Count = 128
    """Batch size in images; the last batch of an epoch may be smaller."""
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    """What turns gradients into steps, as in PyTorch."""
    lr: Positive = 0.1
    """Peak learning rate, which the schedule scales."""
    momentum: BelowOne = 0.9
    """Momentum of SGD; Adam and AdamW use betas of (0.9, 0.999)."""
    nesterov: bool = True
    """Whether SGD uses Nesterov momentum; needs momentum above 0."""
    weight_decay: NotNegative = 0.0
    """Coupled for SGD and Adam, decoupled for AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
    2019), as in PyTorch."""
    decay_norms_and_biases: bool = False
    """Whether weight decay also applies to the parameters of normalisation layers and to biases; by default it does not
    (He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks", 2019)."""
    schedule: Schedule = field(default_factory=Constant)
    """How the learning rate goes over the run: `Constant`, `Step`, `MultiStep`, `Plateau`, `OneCycle`, `Cosine` or
    `Linear`."""
    loss: Literal["cross_entropy", "nll"] = "cross_entropy"
    """`nll` expects log-probabilities from the network (it ends in LogSoftmax), `cross_entropy` expects logits."""
    label_smoothing: BelowOne = 0.0
    """Fraction of the target spread evenly over all classes (Szegedy et al., "Rethinking the Inception Architecture for
    Computer Vision", 2016)."""
    augment: Augment = field(default_factory=Augment)
    """Random transforms of the training images; none by default."""
    augment_then: Augment | None = None
    """More transforms, of the images that `augment` gives, rounded to 8 bits: each of the two has draws and an
    interpolation of its own, as the steps of a torchvision pipeline have."""
    distil: Distil | None = None
    """The teacher to learn from besides the labels."""
    hard: HardExamples | None = None
    """How to sample hard images more often; None takes each image once an epoch."""
    plain_epochs: CountOrZero = 0
    """Number of final epochs without augmentation; at most `epochs`."""
    average: BelowOne = 0.0
    """Decay per step of the exponential moving average of weights and batch-norm statistics, which is what is evaluated
    and saved; 0 uses the last weights instead (Polyak and Juditsky, "Acceleration of Stochastic
    Approximation by Averaging", 1992). The decay is min(average, (1 + steps) / (10 + steps)), as in TensorFlow's
    `ExponentialMovingAverage`, so that the initial weights do not weigh on short runs."""
    weight_bits: Later[Literal[8, 4, 2, 0]] = 0
    """Weights of convolutions and linear layers are rounded to so many bits in training and in what is
    saved, with a scale for each output channel, and the C program packs them; 0 trains float weights,
    which C rounds to 8 bits afterwards."""
    strokes: Later[Annotated[int, Meta(ge=0, le=10_000)]] = 0
    """Digits drawn from strokes, in ways of writing that MNIST lacks, that join the training images; for sets of ten
    grey digits of 28 x 28 (`data.strokes`)."""

    class_weights: Later[Annotated[tuple[Positive, ...], Meta(max_length=10_000)]] = ()
    """What an image of each class weighs in the loss of training, in the order of the classes: more for rare ones. A
    batch's loss is divided by its weights, as in PyTorch's cross-entropy. Trained by PyTorch; empty: all alike."""

    def __post_init__(self) -> None:
        check_fields(self)
        most = f"from 0 to its {self.epochs:,} epochs"
        require(self.plain_epochs <= self.epochs, f"Recipe.plain_epochs must be {most}; given {self.plain_epochs:,}.")
        both = self.distil is not None and self.augment.mixup > 0
        require(not both, "A recipe learns from blended labels (augment.mixup) or from a teacher (distil), not both.")
        if self.augment_then is not None:
            require(bool(self.augment), "A recipe with augment_then needs augment, which comes first.")
            apart = self.augment.cutout_px == self.augment_then.mixup == 0
            require(apart, "Of two sets of changes, mixup belongs to augment and cutout_px to augment_then.")

    @property
    def taught(self) -> tuple[float, float]:
        """The share of the loss that is measured against probabilities that come with a batch, a teacher's or blended
        labels, and the temperature of both."""
        if self.augment.mixup > 0:
            return 1.0, 1.0
        return (self.distil.share, self.distil.temperature) if self.distil else (0.0, 1.0)

    @property
    def bits_in_c(self) -> int:
        """Bits of a weight in the C program."""
        return self.weight_bits or 8

    def with_epochs(self, epochs: int) -> "Recipe":
        """A copy of the recipe with another number of epochs."""
        return replace(self, epochs=epochs, plain_epochs=min(self.plain_epochs, epochs))

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain values, including the schedule's kind.

        >>> Recipe(schedule=Step(every_epochs=6)).to_json()["schedule"]
        {'kind': 'step', 'warmup_epochs': 0.0, 'every_epochs': 6, 'factor': 0.1}
        """
        return to_plain(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Recipe":
        """The recipe that `to_json` wrote; UsageError names what is unknown, missing or out of range."""
        return from_plain(cls, values, "recipe")
