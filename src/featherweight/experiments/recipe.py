"""How a network is trained: every choice of a run but the network itself. Needs no torch.

Plain frozen data, one value one meaning; what they do is in `augment`, `schedule` and `train`.
"""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from featherweight.errors import nearest
from featherweight.experiments.augmentation import Augment as Augment
from featherweight.experiments.augmentation import require

Optimizer = Literal["sgd", "adam", "adamw"]
Loss = Literal["cross_entropy", "nll"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What all schedules share. The rate is set before every step; `schedule.rate` gives it."""

    warmup_epochs: float = 0.0
    """The rate first rises from zero, linearly by step, over so many epochs; fractions are meant (Goyal et al.,
    "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017)."""

    def __post_init__(self) -> None:
        kind = type(self).__name__
        require(self.warmup_epochs >= 0, f"{kind}.warmup_epochs is 0 or more; given {self.warmup_epochs}.")
        for name, low, high in (("factor", 0, 1), ("floor", 0, 1), ("peak_at", 0, 1), ("start", 0, 1)):
            value = getattr(self, name, low)
            require(low <= value <= high, f"{kind}.{name} is from {low} to {high}; given {value}.")
        for name in ("every_epochs", "patience_epochs"):
            value = getattr(self, name, 1)
            require(value >= 1, f"{kind}.{name} is 1 or more; given {value}.")


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
    """The rate is multiplied by `factor` at each of the named epochs (counted from 1, in force from it on)."""

    at_epochs: tuple[int, ...]
    factor: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Plateau(Schedule):
    """The rate is multiplied by `factor` when a quantity has not improved for more than `patience_epochs` epochs."""

    quantity: Literal["train_loss", "train_accuracy", "test_loss", "test_accuracy"] = "train_loss"
    """The column of the history that is watched; losses should fall, accuracies rise. Watching the test set's
    is what the published recipes do; with a held-out part, the column is of that part."""
    factor: float = 0.1
    patience_epochs: int = 2
    threshold: float = 0.001
    """Improvement is by more than this fraction of the best value so far."""


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Up to the peak and down again along half cosines (Smith and Topin, "Super-Convergence: Very Fast Training of
    Neural Networks Using Large Learning Rates", 2018; the shape as in PyTorch's `OneCycleLR`)."""

    peak_at: float = 0.3
    """The share of all steps at which the peak is reached; 0 to 1."""
    start: float = 0.04
    """The first rate as a share of the peak; 0 to 1."""
    floor: float = 0.0001
    """The last rate as a share of the peak; 0 to 1."""


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
    """Learning from a teacher's answers beside the labels (Hinton et al., "Distilling the Knowledge in a Neural
    Network", 2015): (1 - share) * loss(labels) + share * T^2 * cross-entropy with the teacher's answers at T."""

    teacher: str
    """The experiment whose finished runs teach; it is trained beforehand, on the same images and no others."""
    seeds: tuple[int, ...] = (0,)
    """Of those runs; the mean of their probabilities teaches."""
    share: float = 0.5
    """Of the loss; 0 to 1."""
    temperature: float = 1.0
    """T, which scores are divided by before the softmax, the teacher's and the student's; 1 or more."""

    def __post_init__(self) -> None:
        require(bool(self.seeds), "Distil.seeds names one seed of the teacher or more; given none.")
        require(0 <= self.share <= 1, f"Distil.share is from 0 to 1; given {self.share}.")
        require(self.temperature >= 1, f"Distil.temperature is 1 or more; given {self.temperature}.")


@dataclass(frozen=True, kw_only=True)
class HardExamples:
    """Taking images that are not learned yet more often (after Loshchilov and Hutter, "Online Batch Selection for
    Faster Training of Neural Networks", 2016, who rank by loss). An epoch has as many images as ever; how often each
    is expected in it is proportional to 1 + (factor - 1) * min(1, its loss / loss).

    Losses are the kept network's on the images as they are, looked at forwards when an epoch begins, from the second
    on. Plain epochs take each image once.
    """

    factor: float = 5.0
    """How many times as often as a perfectly learned image the hardest are taken; 1 or more."""
    loss: float = 0.1
    """Cross-entropy in nats from which on an image counts as one of the hardest; above 0."""

    def __post_init__(self) -> None:
        require(self.factor >= 1, f"HardExamples.factor is 1 or more; given {self.factor}.")
        require(self.loss > 0, f"HardExamples.loss is above 0; given {self.loss}.")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything about a training run but the network, the data and the seed."""

    epochs: int = 15
    """Passes over the training set; 1 or more."""
    batch: int = 128
    """Images a step; the last step of an epoch takes what is left; 1 or more."""
    optimizer: Optimizer = "sgd"
    lr: float = 0.1
    """The peak learning rate; the schedule scales it; above 0."""
    momentum: float = 0.9
    """Of SGD; Adam and AdamW take (0.9, 0.999); 0 to below 1."""
    nesterov: bool = True
    """Whether SGD looks ahead (Nesterov); needs momentum."""
    weight_decay: float = 0.0
    """Coupled for SGD and Adam, decoupled for AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
    2019), as in PyTorch; 0 or more."""
    decay_norms_and_biases: bool = False
    """Whether weight decay applies to norms and biases too; by default to the other weights alone (He et al., "Bag of
    Tricks for Image Classification with Convolutional Neural Networks", 2019)."""
    schedule: Schedule = field(default_factory=Constant)
    loss: Loss = "cross_entropy"
    """`nll` takes the network's output as log-probabilities (it ends in LogSoftmax); `cross_entropy` as scores."""
    label_smoothing: float = 0.0
    """Share of the target spread evenly over all classes (Szegedy et al., "Rethinking the Inception Architecture for
    Computer Vision", 2016); 0 to below 1."""
    augment: Augment = field(default_factory=Augment)
    distil: Distil | None = None
    """Whom the network learns from besides the labels; nobody by default."""
    hard: HardExamples | None = None
    """Which images are taken more often than others; none by default."""
    plain_epochs: int = 0
    """So many last epochs are trained without augmentation; 0 to `epochs`."""
    average: float = 0.0
    """Decay a step of the moving average of weights and norm statistics, which is what is evaluated and kept;
    0 keeps the last weights instead; 0 to below 1 (Polyak and Juditsky, "Acceleration of Stochastic Approximation by
    Averaging", 1992). The decay is min(average, (1 + steps) / (10 + steps)), as in TensorFlow's
    `ExponentialMovingAverage`, so that short runs are not held back by their first weights."""

    def __post_init__(self) -> None:
        names = get_args(Optimizer)
        require(self.optimizer in names, f"Unknown optimizer {self.optimizer!r}; {nearest(self.optimizer, names)}")
        require(self.loss in get_args(Loss), f"Unknown loss {self.loss!r}; {nearest(self.loss, get_args(Loss))}")
        require(self.epochs >= 1 and self.batch >= 1, "A recipe's epochs and batch are 1 or more.")
        require(self.lr > 0, f"A recipe's lr is above 0; given {self.lr}.")
        require(self.weight_decay >= 0, f"A recipe's weight_decay is 0 or more; given {self.weight_decay}.")
        for name in ("momentum", "label_smoothing", "average"):
            value = getattr(self, name)
            require(0 <= value < 1, f"A recipe's {name} is from 0 to below 1; given {value}.")
        require(0 <= self.plain_epochs <= self.epochs, "A recipe's plain_epochs are from 0 to its epochs.")

    def with_epochs(self, epochs: int) -> "Recipe":
        """The same recipe over another number of epochs."""
        return replace(self, epochs=epochs, plain_epochs=min(self.plain_epochs, epochs))

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the schedule's kind named.

        >>> Recipe(schedule=Step(every_epochs=6)).to_json()["schedule"]
        {'kind': 'step', 'warmup_epochs': 0.0, 'every_epochs': 6, 'factor': 0.1}
        """
        kinds = {cls: kind for kind, cls in SCHEDULES.items()}
        values = asdict(self)
        values["schedule"] = {"kind": kinds[type(self.schedule)], **values["schedule"]}
        values["augment"] = self.augment.to_json()
        for name in ("distil", "hard"):  # left out as in records that are older, so that they go on being alike
            if values[name] is None:
                del values[name]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Recipe":
        """The recipe that `to_json` wrote; UsageError names a field or kind that is unknown."""
        known = {f.name for f in fields(cls)}
        for name in values:
            require(name in known, f"Unknown field {name!r} of a recipe; {nearest(name, sorted(known))}")
        settings = dict(values["schedule"])
        kind = settings.pop("kind")
        require(kind in SCHEDULES, f"Unknown schedule {kind!r}; {nearest(kind, SCHEDULES)}")
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
