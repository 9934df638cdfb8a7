"""The same training step in Keras on TensorFlow and in JAX, if they are installed, each in its own process.

They do everything the training loop does except augmentation, which would only add to their time. The number of threads
is limited through the cores that the process may use, which both respect.
"""

import importlib.util
import multiprocessing
import os
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import numpy as np
from torch import nn

from featherweight.errors import UsageError
from featherweight.networks.layers.blocks import Residual
from featherweight.training.runs.signals import safe_path

KERAS, JAX = "Keras, TensorFlow", "JAX"
Layer = tuple[Any, ...]
"""A kind of layer and its numbers, as plain values that can be sent to another process."""
RATE, MOMENTUM, DECAY, AVERAGE = 0.02, 0.9, 2e-4, 0.998
EPSILON = 1e-5


def installed() -> tuple[str, ...]:
    """The peers that are installed."""
    wanted = {KERAS: ("keras", "tensorflow"), JAX: ("jax",)}
    return tuple(peer for peer, names in wanted.items() if all(map(importlib.util.find_spec, names)))


def versions() -> dict[str, str]:
    """Of the peers' packages that are installed here."""
    names = ("keras", "tensorflow", "jax", "jaxlib")
    packages = metadata.packages_distributions()
    return {name: metadata.version(packages[name][0]) for name in names if name in packages}


def layers_of(network: nn.Module) -> list[Layer]:
    """The layers of a plain or residual stack as a list; UsageError for a layer without a counterpart here.

    What stands between "fork" and "sum" is added to its own input.

    >>> layers_of(nn.Sequential(nn.Conv2d(1, 8, 3, bias=False), nn.ReLU(), nn.Flatten()))
    [('conv', 1, 8, 3, False, 0, 1), ('relu',)]
    """
    return list(_layers(network))


def _layers(module: nn.Module) -> Iterator[Layer]:
    match module:
        case Residual():
            yield ("fork",)
            for inner in module:
                yield from _layers(inner)
            yield ("sum",)
        case nn.Flatten():
            pass
        case nn.Conv2d(stride=(1, 1), groups=groups) if groups in (1, module.in_channels) and _square(module):
            size, bias = module.kernel_size[0], module.bias is not None
            yield ("conv", module.in_channels, module.out_channels, size, bias, module.padding[0], groups)
        case nn.BatchNorm2d():
            yield ("norm", module.num_features)
        case nn.ReLU():
            yield ("relu",)
        case nn.Dropout():
            yield ("dropout", module.p)
        case nn.MaxPool2d(kernel_size=int(size), stride=stride) if stride == size:
            yield ("maximum", size)
        case nn.AvgPool2d() | nn.AdaptiveAvgPool2d():  # the benchmarked networks average down to one pixel
            yield ("average",)
        case nn.Linear():
            yield ("linear", module.in_features, module.out_features)
        case _ if type(module) is nn.Sequential:
            for inner in module:
                yield from _layers(inner)
        case _:
            raise UsageError(
                f"The peers have no counterpart for {module}; only plain and residual stacks can be compared."
            )


def _square(module: nn.Conv2d) -> bool:
    """Whether a kernel is square and its border is none at all or keeps the map's size, which Keras calls "same"."""
    size = module.kernel_size[0]
    return module.kernel_size == (size, size) and module.padding in ((0, 0), (size // 2, size // 2))


def steps(peer: str, network: nn.Module, threads: int, batch: int, shape: tuple[int, int, int]) -> Iterator[float]:
    """Yield the loss of one training step on images of `shape`, C H W, per `next`, by the peer in its own process."""
    here, there = multiprocessing.Pipe()
    spawn = multiprocessing.get_context("spawn")
    work = (peer, layers_of(network), threads, batch, shape, there)
    process = spawn.Process(target=_serve, args=work, daemon=True)
    with safe_path():
        process.start()
    there.close()
    try:
        while True:
            here.send(True)
            yield here.recv()
    except EOFError as ended:
        raise UsageError(f"The process that ran {peer} has ended; see its output above.") from ended
    finally:
        here.close()
        process.terminate()
        process.join()


def _serve(peer: str, layers: list[Layer], threads: int, batch: int, shape: tuple[int, int, int], pipe: Any) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    step = {KERAS: keras_step, JAX: jax_step}[peer](layers, shape)
    draws = np.random.default_rng(0)
    channels, height, width = shape
    images = draws.normal(size=(8 * batch, height, width, channels)).astype(np.float32)
    labels = draws.integers(0, 10, 8 * batch).astype(np.int32)
    for number in range(1_000_000):
        try:
            pipe.recv()
        except EOFError:
            return
        at = number % 8 * batch
        pipe.send(step(images[at : at + batch], labels[at : at + batch]))


def keras_step(layers: list[Layer], shape: tuple[int, int, int]) -> Callable[[Any, Any], float]:
    """A function of images [N H W C] and labels [N] that takes one training step with Keras's own optimiser and moving
    average and returns the loss."""
    import keras

    def conv(i: int, o: int, k: int, bias: bool, padding: int, groups: int) -> Any:
        border = "same" if padding else "valid"
        if groups > 1:
            return keras.layers.DepthwiseConv2D(k, depth_multiplier=o // i, use_bias=bias, padding=border)
        return keras.layers.Conv2D(o, k, use_bias=bias, padding=border)

    made = {
        "conv": conv,
        "norm": lambda c: keras.layers.BatchNormalization(momentum=0.9, epsilon=EPSILON),
        "relu": keras.layers.ReLU,
        "dropout": keras.layers.Dropout,
        "maximum": keras.layers.MaxPooling2D,
        "average": lambda: keras.layers.GlobalAveragePooling2D(keepdims=True),
        "linear": lambda i, o: keras.layers.Dense(o),
    }
    channels, height, width = shape
    images = x = keras.Input((height, width, channels))
    forks = []
    for kind, *numbers in layers:
        if kind == "fork":
            forks.append(x)
        else:
            x = keras.layers.Add()([forks.pop(), x]) if kind == "sum" else made[kind](*numbers)(x)
    network = keras.Model(images, keras.layers.Flatten()(x))
    network.compile(
        keras.optimizers.SGD(
            RATE, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY, use_ema=True, ema_momentum=AVERAGE
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return lambda images, labels: float(network.train_on_batch(images, labels)[0])


def jax_step(layers: list[Layer], shape: tuple[int, int, int]) -> Callable[[Any, Any], float]:
    """A function of images [N H W C] and labels [N] that takes one compiled training step, with Nesterov momentum and a
    moving average, and returns the loss."""
    import jax
    from jax import numpy as jnp

    def loss(values: Any, images: Any, labels: Any, key: Any) -> tuple[Any, list[Any]]:
        scores, statistics = _jax_scores(layers, values, images, key)
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], 1).mean(), statistics

    def step(state: Any, images: Any, labels: Any, key: Any) -> tuple[Any, Any]:
        values, speeds, running, averaged = state
        (value, statistics), slopes = jax.value_and_grad(loss, has_aux=True)(values, images, labels, key)
        slopes = jax.tree.map(lambda g, p: g + DECAY * p if p.ndim > 1 else g, slopes, values)
        speeds = jax.tree.map(lambda v, g: MOMENTUM * v + g, speeds, slopes)
        values = jax.tree.map(lambda p, v, g: p - RATE * (g + MOMENTUM * v), values, speeds, slopes)
        running = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, running, statistics)
        averaged = jax.tree.map(lambda old, new: AVERAGE * old + (1 - AVERAGE) * new, averaged, values)
        return (values, speeds, running, averaged), value

    compiled, start = jax.jit(step), _jax_weights(layers)
    running = [(jnp.zeros(numbers[0]), jnp.ones(numbers[0])) for kind, *numbers in layers if kind == "norm"]
    held = {"state": (start, jax.tree.map(jnp.zeros_like, start), running, start), "key": jax.random.key(0)}

    def take(images: Any, labels: Any) -> float:
        held["key"], now = jax.random.split(held["key"])
        held["state"], value = compiled(held["state"], images, labels, now)
        return float(value)

    return take


def _jax_weights(layers: list[Layer]) -> list[dict[str, Any]]:
    """The parameters of each layer by name; empty for a layer without parameters."""
    from jax import numpy as jnp

    draws = np.random.default_rng(0)
    found: list[dict[str, Any]] = []
    for kind, *numbers in layers:
        if kind == "conv":
            inputs, outputs, size, bias, _, groups = numbers
            inputs //= groups
            kernel = draws.normal(0, (2 / inputs / size**2) ** 0.5, (size, size, inputs, outputs))
            found.append({"kernel": jnp.asarray(kernel, jnp.float32)} | ({"bias": jnp.zeros(outputs)} if bias else {}))
        elif kind == "norm":
            found.append({"scale": jnp.ones(numbers[0]), "shift": jnp.zeros(numbers[0])})
        elif kind == "linear":
            matrix = draws.normal(0, numbers[0] ** -0.5, numbers)
            found.append({"matrix": jnp.asarray(matrix, jnp.float32), "bias": jnp.zeros(numbers[1])})
        else:
            found.append({})
    return found


def _jax_scores(layers: list[Layer], values: list[dict[str, Any]], x: Any, key: Any) -> tuple[Any, list[Any]]:
    """The scores [N classes] of images [N H W C], and the batch mean and variance in each batch norm."""
    import jax
    from jax import numpy as jnp

    statistics, forks = [], []
    for (kind, *numbers), own in zip(layers, values, strict=True):
        if kind == "conv":
            order = ("NHWC", "HWIO", "NHWC")
            border, groups = [(numbers[4], numbers[4])] * 2, numbers[5]
            x = jax.lax.conv_general_dilated(
                x, own["kernel"], (1, 1), border, dimension_numbers=order, feature_group_count=groups
            )
            x = x + own["bias"] if "bias" in own else x
        elif kind == "norm":
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
            statistics.append((mean, variance))
            x = (x - mean) * jax.lax.rsqrt(variance + EPSILON) * own["scale"] + own["shift"]
        elif kind == "relu":
            x = jax.nn.relu(x)
        elif kind == "dropout":
            key, now = jax.random.split(key)
            x = x * jax.random.bernoulli(now, 1 - numbers[0], x.shape) / (1 - numbers[0])
        elif kind == "maximum":
            size = (1, numbers[0], numbers[0], 1)
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, size, size, "VALID")
        elif kind == "average":
            x = x.mean((1, 2), keepdims=True)
        elif kind == "fork":
            forks.append(x)
        elif kind == "sum":
            x = x + forks.pop()
        else:
            x = x @ own["matrix"] + own["bias"]
    return x[:, 0, 0, :], statistics
