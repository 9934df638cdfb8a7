"""Recipes: every choice of a training run except the network, the data and the seed. Needs no torch.

Plain frozen data; what the settings do is implemented in `data.augment` and `training`.
"""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from featherweight.experiments.augmentation import Augment as Augment
from featherweight.experiments.augmentation import require, require_known

Optimizer = Literal["sgd", "adam", "adamw"]
Loss = Literal["cross_entropy", "nll"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Base class of the schedules. The learning rate is set before every step, by `training.schedule.rate`."""

    warmup_epochs: float = 0.0
    """The rate first rises linearly from zero, step by step, over this many epochs; may be fractional (Goyal et al.,
    "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017)."""

    def __post_init__(self) -> None:
        kind = type(self).__name__
        require(self.warmup_epochs >= 0, f"{kind}.warmup_epochs must be 0 or more; given {self.warmup_epochs}.")
        for name, low, high in (("factor", 0, 1), ("floor", 0, 1), ("peak_at", 0, 1), ("start", 0, 1)):
            value = getattr(self, name, low)
            require(low <= value <= high, f"{kind}.{name} must be from {low} to {high}; given {value}.")
        for name in ("every_epochs", "patience_epochs"):
            value = getattr(self, name, 1)
            require(value >= 1, f"{kind}.{name} must be 1 or more; given {value}.")


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The same rate throughout."""


@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """The rate is multiplied by `factor` after every `every_epochs` epochs."""

    every_epochs: int
    factor: float = 0.1


@dataclass(frozen=True, kw_only=True)
class MultiStep(Schedule):
    """The rate is multiplied by `factor` at the start of each of these epochs (counted from 1)."""

    at_epochs: tuple[int, ...]
    factor: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Plateau(Schedule):
    """The rate is multiplied by `factor` when a quantity has not improved for more than `patience_epochs` epochs."""

    quantity: Literal["train_loss", "train_accuracy", "test_loss", "test_accuracy"] = "train_loss"
    """The column of the history to watch; losses should fall, accuracies rise. The published recipes watch the test
    set; with held-out images, the test columns refer to those."""
    factor: float = 0.1
    patience_epochs: int = 2
    threshold: float = 0.001
    """An improvement must exceed this fraction of the best value so far."""


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Up to the peak and down again along half cosines (Smith and Topin, "Super-Convergence: Very Fast Training of
    Neural Networks Using Large Learning Rates", 2018; shaped as in PyTorch's `OneCycleLR`)."""

    peak_at: float = 0.3
    """The fraction of all steps after which the peak is reached; 0 to 1."""
    start: float = 0.04
    """The first rate as a fraction of the peak; 0 to 1."""
    floor: float = 0.0001
    """The last rate as a fraction of the peak; 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Down along half a cosine (Loshchilov and Hutter, "SGDR", 2017), to `floor` times the peak."""

    floor: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Linear(Schedule):
    """Down along a straight line, to `floor` times the peak."""

    floor: float = 0.0


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": Step,
    "multi_step": MultiStep,
    "plateau": Plateau,
    "one_cycle": OneCycle,
    "cosine": Cosine,
    "linear": Linear,
}


@dataclass(frozen=True, kw_only=True)
class Distil:
    """Learning from a teacher's predictions as well as the labels (Hinton et al., "Distilling the Knowledge in a Neural
    Network", 2015): (1 - share) * loss(labels) + share * T^2 * cross-entropy with the teacher's predictions at T."""

    teacher: str
    """The experiment whose finished runs teach; they must be trained beforehand, on exactly the same images."""
    seeds: tuple[int, ...] = (0,)
    """The seeds of those runs; the targets are the mean of their probabilities. With images held out, which a run's
    seed decides, the run of the student's own seed teaches instead, since it has seen none of them."""
    share: float = 0.5
    """The teacher's share of the loss; 0 to 1."""
    temperature: float = 1.0
    """T, by which both the teacher's and the student's scores are divided before the softmax; 1 or more."""

    def __post_init__(self) -> None:
        require(bool(self.seeds), "Distil.seeds must name at least one seed of the teacher; given none.")
        require(0 <= self.share <= 1, f"Distil.share must be from 0 to 1; given {self.share}.")
        require(self.temperature >= 1, f"Distil.temperature must be 1 or more; given {self.temperature}.")


@dataclass(frozen=True, kw_only=True)
class HardExamples:
    """Sampling images with a high loss more often (after Loshchilov and Hutter, "Online Batch Selection for Faster
    Training of Neural Networks", 2016, who rank by loss). The size of an epoch is unchanged; the expected number of
    times that it contains an image is proportional to 1 + (factor - 1) * min(1, image's loss / loss).

    From the second epoch on, each epoch starts by computing the losses of the unaugmented images with the network that
    is evaluated and saved. Plain epochs take each image once.
    """

    factor: float = 5.0
    """How many times as often the hardest images are taken as perfectly learned ones; 1 or more."""
    loss: float = 0.1
    """Cross-entropy in nats at and above which an image counts as one of the hardest; above 0."""

    def __post_init__(self) -> None:
        require(self.factor >= 1, f"HardExamples.factor must be 1 or more; given {self.factor}.")
        require(self.loss > 0, f"HardExamples.loss must be above 0; given {self.loss}.")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything about a training run except the network, the data and the seed."""

    epochs: int = 15
    """Passes over the training set; 1 or more."""
    batch: int = 128
    """Batch size in images; the last batch of an epoch may be smaller; 1 or more."""
    optimizer: Optimizer = "sgd"
    lr: float = 0.1
    """Peak learning rate, which the schedule scales; above 0."""
    momentum: float = 0.9
    """Momentum of SGD, 0 to below 1; Adam and AdamW use betas of (0.9, 0.999)."""
    nesterov: bool = True
    """Whether SGD uses Nesterov momentum; needs momentum above 0."""
    weight_decay: float = 0.0
    """Coupled for SGD and Adam, decoupled for AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
    2019), as in PyTorch; 0 or more."""
    decay_norms_and_biases: bool = False
    """Whether weight decay also applies to the parameters of normalisation layers and to biases; by default it does not
    (He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks", 2019)."""
    schedule: Schedule = field(default_factory=Constant)
    loss: Loss = "cross_entropy"
    """`nll` expects log-probabilities from the network (it ends in LogSoftmax), `cross_entropy` expects logits."""
    label_smoothing: float = 0.0
    """Fraction of the target spread evenly over all classes (Szegedy et al., "Rethinking the Inception Architecture for
    Computer Vision", 2016); 0 to below 1."""
    augment: Augment = field(default_factory=Augment)
    distil: Distil | None = None
    """The teacher to learn from besides the labels; None by default."""
    hard: HardExamples | None = None
    """How to sample hard images more often; None (the default) takes each image once an epoch."""
    plain_epochs: int = 0
    """Number of final epochs without augmentation; 0 to `epochs`."""
    average: float = 0.0
    """Decay per step of the exponential moving average of weights and batch-norm statistics, which is what is evaluated
    and saved; 0 uses the last weights instead; 0 to below 1 (Polyak and Juditsky, "Acceleration of Stochastic
    Approximation by Averaging", 1992). The decay is min(average, (1 + steps) / (10 + steps)), as in TensorFlow's
    `ExponentialMovingAverage`, so that the initial weights do not weigh on short runs."""
    weight_bits: int = 0
    """Weights of convolutions and linear layers are rounded to so many bits, 8, 4 or 2, in training and in what is
    saved, with a scale for each output channel, and the C program packs them; 0 (the default) trains float weights,
    which C rounds to 8 bits afterwards."""
    strokes: int = 0
    """Digits drawn from strokes, in ways of writing that MNIST lacks, that join the training images: 0 to 10,000, for
    sets of ten grey digits of 28 x 28 (`data.strokes`)."""

    def __post_init__(self) -> None:
        require_known("optimizer", self.optimizer, get_args(Optimizer))
        require_known("loss", self.loss, get_args(Loss))
        require(self.epochs >= 1, f"A recipe's epochs must be 1 or more; given {self.epochs}.")
        require(self.batch >= 1, f"A recipe's batch must be 1 or more; given {self.batch}.")
        require(self.lr > 0, f"A recipe's lr must be above 0; given {self.lr}.")
        require(self.weight_decay >= 0, f"A recipe's weight_decay must be 0 or more; given {self.weight_decay}.")
        for name in ("momentum", "label_smoothing", "average"):
            value = getattr(self, name)
            require(0 <= value < 1, f"A recipe's {name} must be at least 0 and below 1; given {value}.")
        plain, limit = self.plain_epochs, f"from 0 to its {self.epochs} epochs"
        require(0 <= plain <= self.epochs, f"A recipe's plain_epochs must be {limit}; given {plain}.")
        bits = self.weight_bits
        require(
            bits in (0, 2, 4, 8), f"A recipe's weight_bits must be 8, 4 or 2, or 0 for float weights; given {bits}."
        )
        require(0 <= self.strokes <= 10_000, f"A recipe's strokes must be from 0 to 10,000; given {self.strokes}.")
        both = self.distil is not None and self.augment.mixup > 0
        require(not both, "A recipe learns from blended labels (augment.mixup) or from a teacher (distil), not both.")

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
        kinds = {cls: kind for kind, cls in SCHEDULES.items()}
        values = asdict(self)
        values["schedule"] = {"kind": kinds[type(self.schedule)], **values["schedule"]}
        values["augment"] = self.augment.to_json()
        for name in ("distil", "hard"):  # left out as in older records, so that equal recipes stay equal
            if values[name] is None:
                del values[name]
        for name in ("weight_bits", "strokes"):
            if not values[name]:
                del values[name]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Recipe":
        """The recipe that `to_json` wrote; UsageError names an unknown field or kind."""
        known = sorted(f.name for f in fields(cls))
        for name in values:
            require_known("field", name, known, " of a recipe")
        settings = dict(values["schedule"])
        kind = settings.pop("kind")
        require_known("schedule", kind, SCHEDULES)
        if "at_epochs" in settings:
            settings["at_epochs"] = tuple(settings["at_epochs"])
        distil = dict(values.get("distil") or {})
        if distil:
            distil["seeds"] = tuple(distil["seeds"])
        hard = values.get("hard")
        parts = ("schedule", "augment", "distil", "hard")
        rest = {name: value for name, value in values.items() if name not in parts}
        return cls(
            schedule=SCHEDULES[kind](**settings),
            augment=Augment(**values["augment"]),
            distil=Distil(**distil) if distil else None,
            hard=HardExamples(**hard) if hard else None,
            **rest,
        )
