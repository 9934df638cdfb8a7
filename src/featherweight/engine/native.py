"""The native engine: fused C++ kernels on the CPU, called through ctypes. kernels/README.md explains them."""

import ctypes
import math
import os
import weakref
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from featherweight.data.transforms import HORIZON
from featherweight.data.warps import Warp
from featherweight.engine.program import FRACTIONS, PLACES, WHOLE, Node, Program, Size, lower_for_training
from featherweight.errors import FeatherweightError, UsageError
from featherweight.experiments.recipe import Recipe
from featherweight.networks.layers.kind import NONE

# What each CPU may run, best first; torch asks the CPU (and heeds ATEN_CPU_CAPABILITY).
BUILDS = {"AVX512": ("avx512", "avx2", "base"), "AVX2": ("avx2", "base")}


@cache
def library() -> ctypes.CDLL | None:
    """The kernels for this CPU, or None if none were built."""
    path = _kernel_file()
    return None if path is None else _declared(ctypes.CDLL(str(path)))


def _kernel_file() -> Path | None:
    """The file of the best kernels that were built and that this CPU may run."""
    names = BUILDS.get(torch.backends.cpu.get_cpu_capability(), ("base",))
    # The newest of each: a source tree may still hold libraries of an earlier build, which had longer names.
    found = (
        max(built, key=os.path.getmtime)
        for name in names
        if (built := [*Path(__file__).parent.glob(f"_native_{name}.*so")])
    )
    return next(found, None)


def instructions() -> str:
    """The instruction set of the kernels for this CPU: avx512, avx2 or base; empty if none were built."""
    path = _kernel_file() if library() else None
    return path.name.split(".")[0].removeprefix("_native_") if path else ""


def _declared(kernels: ctypes.CDLL) -> ctypes.CDLL:
    pointer, whole, count = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
    signatures = {
        "plan": (pointer, [*2 * [pointer, whole], *3 * [whole], *3 * [ctypes.c_double], *2 * [whole], ctypes.c_char_p]),
        "free": (None, [pointer]),
        "bytes": (ctypes.c_size_t, [pointer]),
        "step": (whole, [*4 * [pointer], whole, ctypes.c_uint64, *4 * [pointer]]),
        "scores": (None, [pointer, pointer, whole, pointer, pointer]),
        "sample": (whole, [pointer, pointer, count, pointer, whole, *3 * [pointer], ctypes.c_float, *3 * [pointer],
                           whole, *2 * [pointer]]),
        "mask": (None, [pointer, whole, whole, ctypes.c_uint64, pointer]),
        "peak": (ctypes.c_double, [whole, ctypes.c_double]),
        "lanes": (whole, []),
        "bf16": (whole, []),
        "convolutions": (ctypes.c_double, [pointer]),
        "products": (ctypes.c_double, [pointer]),
    }  # fmt: skip
    for name, (result, arguments) in signatures.items():
        function = getattr(kernels, f"featherweight_{name}")
        function.restype, function.argtypes = result, arguments
    return kernels


class Plan:
    """A program bound to memory and threads; freed with its last reference."""

    def __init__(self, program: Program, recipe: Recipe, *, batch: int, threads: int, bf16: bool = False) -> None:
        kernels = library()
        assert kernels is not None, "callers ask `library` first"
        nodes = (Node * len(program.nodes))()
        for node, given in zip(nodes, program.nodes, strict=True):
            for name in (*WHOLE, *PLACES, *FRACTIONS):
                setattr(node, name, given.get(name, NONE if name in PLACES else 0))
        sizes = (Size * len(program.sizes))(*(Size(*size) for size in program.sizes))
        normalised = recipe.loss == "cross_entropy" or program.log_output
        share, temperature = recipe.taught
        error = ctypes.create_string_buffer(200)
        handle = kernels.featherweight_plan(
            nodes,
            len(nodes),
            sizes,
            len(sizes),
            batch,
            threads,
            normalised,
            recipe.label_smoothing,
            share,
            temperature,
            program.log_output,
            bf16,
            error,
        )
        if not handle:
            raise _refusal(error.value.decode(), batch)
        self.kernels, self.handle, self.batch, self.process = kernels, handle, batch, os.getpid()
        weakref.finalize(self, _free, kernels, handle, self.process)

    def bytes(self) -> int:
        """The memory of its tensors, in bytes."""
        return int(self.kernels.featherweight_bytes(self.handle))

    def mask(self, program: Program, node: int, images: int, seed: int) -> Tensor:
        """The factors of the dropout in node `node` in a step with `seed`, [images C H W]."""
        mask = torch.empty(images, *program.sizes[program.nodes[node]["in"]])
        self.kernels.featherweight_mask(self.handle, node, images, seed, mask.data_ptr())
        return mask


def _refusal(reason: str, batch: int) -> FeatherweightError:
    """The error that says why there is no plan."""
    if not reason:
        return UsageError(f"No room for a batch of {batch} in the native engine; give a smaller one.")
    return FeatherweightError(f"The native engine cannot start: {reason}. Give fewer threads, or end other programs.")


def _free(kernels: ctypes.CDLL, handle: int, process: int) -> None:
    if process == os.getpid():  # a forked child has the memory but not the threads
        kernels.featherweight_free(handle)


def multiplies_bf16() -> bool:
    """Whether the kernels were built with products in bfloat16, and this CPU has them."""
    kernels = library()
    return kernels is not None and bool(kernels.featherweight_bf16())


def why_not(network: nn.Module, *, shape: tuple[int, int, int], device: torch.device) -> str:
    """Why the native engine cannot execute `network`, in one sentence; empty if it can."""
    if device.type != "cpu":
        return f"The native engine runs on the CPU; the network is on {device}."
    if library() is None:
        return "The native engine was not built here: installing found no C++ compiler that could."
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if tensor.dtype not in (torch.float32, torch.int64) or tensor.device.type != "cpu":
            return f"The native engine works in float32 on the CPU; {name} is {tensor.dtype} on {tensor.device}."
    try:
        lower_for_training(network, shape)
    except UsageError as error:
        return str(error)
    return ""


class Bound:
    """A network on the native engine: `step`, `scores` and `sampler` of an Engine.

    `why_not` must be empty for the network, and `multiplies_bf16` true if `bf16` is. Memory is planned at the first
    call and kept for later ones.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        *,
        shape: tuple[int, int, int],
        batch: int,
        threads: int,
        bf16: bool = False,
    ) -> None:
        self.program = lower_for_training(network, shape)
        self.addresses = _Addresses(self.program.values)
        self.shape, self.batch = shape, batch
        normed = [self.program.sizes[node["in"]][1:] for node in self.program.nodes if node.get("norm")]
        self.smallest_normed = min(normed, key=math.prod, default=(1, 2))
        self.new_plan = partial(Plan, self.program, recipe, threads=threads, bf16=bf16)
        self.planned: Plan | None = None

    def plan(self, images: int) -> Plan:
        """The current plan, made for at least `images` images and the engine's own batch."""
        now = self.planned
        if now is None or now.batch < images or now.process != os.getpid():
            self.planned = now = None  # free the old one's memory before allocating the new one's
            self.planned = now = self.new_plan(batch=max(images, self.batch))
        return now

    def step(self, images: Tensor, labels: Tensor, seed: int, taught: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Add gradients to `.grad`; returns mean loss and number correct.

        Images are [N C H W], labels [N] and `taught`, probabilities as targets, [N classes].
        """
        images, labels = self._checked(images), labels.contiguous()
        taught = None if taught is None else self._require_answers(taught, len(images))
        _require_several(self.smallest_normed, len(images))
        plan = self.plan(len(images))
        values, gradients = self.addresses.now()
        mean, correct = torch.empty(()), torch.empty((), dtype=torch.int64)
        refused = plan.kernels.featherweight_step(
            plan.handle, images.data_ptr(), labels.data_ptr(), None if taught is None else taught.data_ptr(),
            len(images), seed & 0xFFFF_FFFF_FFFF_FFFF, values, gradients, mean.data_ptr(), correct.data_ptr(),
        )  # fmt: skip
        if refused:
            raise UsageError(
                f"A label is outside 0 to {self.program.classes - 1}, the classes the network has scores for."
            )
        return mean, correct

    def scores(self, images: Tensor) -> Tensor:
        """The network's output [N classes] for images [N C H W], in evaluation mode."""
        images = self._checked(images)
        output = torch.empty(len(images), self.program.classes)
        plan = self.plan(self.batch)
        values, _ = self.addresses.now()
        plan.kernels.featherweight_scores(plan.handle, images.data_ptr(), len(images), values, output.data_ptr())
        return output

    def sampler(self, images: Tensor, chosen: Tensor, warp: Warp, factor: Tensor, offset: Tensor) -> Tensor:
        """`augment.sample` for images of the network's shape, on the same threads."""
        if images.shape[1:] != self.shape or images.dtype != torch.uint8 or images.device.type != "cpu":
            raise UsageError(
                f"The network was built for images [N {_shape_text(self.shape)}], uint8 on the CPU, before"
                f" augmentation; given {images.dtype} [{_shape_text(images.shape)}] on {images.device}."
            )
        images, chosen = images.contiguous(), chosen.contiguous()
        count = len(chosen)
        plan = self.plan(count)
        output = torch.empty(count, *self.shape)
        affine, factor, offset = warp.affine.contiguous(), factor.contiguous(), offset.contiguous()
        drawn = (warp.after, warp.displacement, warp.mirror, warp.colours)
        kept = [None if tensor is None else tensor.contiguous() for tensor in drawn]
        after, displacement, mirror, colours = (None if tensor is None else tensor.data_ptr() for tensor in kept)
        refused = plan.kernels.featherweight_sample(
            plan.handle, images.data_ptr(), len(images), chosen.data_ptr(), count, affine.data_ptr(),
            after, displacement, HORIZON, factor.data_ptr(), offset.data_ptr(), mirror, warp.reflect, colours,
            output.data_ptr(),
        )  # fmt: skip
        if refused:
            raise UsageError(f"An image is chosen that is outside 0 to {len(images) - 1}, the images there are.")
        return output

    def _require_answers(self, taught: Tensor, count: int) -> Tensor:
        if taught.shape != (count, self.program.classes) or taught.dtype != torch.float32:
            raise UsageError(
                f"A teacher answers with probabilities [{count} {self.program.classes}], float32; given"
                f" {taught.dtype} [{_shape_text(taught.shape)}]."
            )
        return taught.contiguous()

    def _checked(self, images: Tensor) -> Tensor:
        if images.shape[1:] != self.shape or images.dtype != torch.float32 or images.device.type != "cpu":
            raise UsageError(
                f"The network was built for float32 images [N {_shape_text(self.shape)}] on the CPU; given"
                f" {images.dtype} [{_shape_text(images.shape)}] on {images.device}."
            )
        return images.contiguous()


def _shape_text(shape: Sequence[int]) -> str:
    return " ".join(map(str, shape))


def _require_several(normed: tuple[int, int], images: int) -> None:
    h, w = normed
    if images * h * w < 2:
        raise UsageError(
            f"Batch norm needs at least two values per channel; {images} image(s) of {h} x {w} give too few."
        )


class _Addresses:
    """The addresses of parameters, buffers and gradients, looked up at each step, since they may have moved."""

    def __init__(self, values: list[Tensor]) -> None:
        self.tensors = values
        self.values = (ctypes.c_void_p * len(values))()
        self.gradients = (ctypes.c_void_p * len(values))()
        self.seen: list[int] = []

    def now(self) -> tuple[Any, Any]:
        """Addresses of the values and of their gradients; missing gradients are created."""
        for tensor in self.tensors:
            if tensor.requires_grad and tensor.grad is None:
                tensor.grad = torch.zeros_like(tensor)
        grads = [tensor.grad if tensor.requires_grad else None for tensor in self.tensors]
        places = [tensor.data_ptr() for tensor in self.tensors]
        addresses = [0 if grad is None else grad.data_ptr() for grad in grads]
        if places + addresses != self.seen:
            self._require_plain([*self.tensors, *(grad for grad in grads if grad is not None)])
            for i, (place, gradient) in enumerate(zip(places, addresses, strict=True)):
                self.values[i], self.gradients[i] = place, gradient
            self.seen = places + addresses
        return self.values, self.gradients

    def _require_plain(self, tensors: list[Tensor]) -> None:
        for tensor in tensors:
            plain = tensor.is_contiguous() and tensor.device.type == "cpu"
            if not plain or tensor.dtype not in (torch.float32, torch.int64):
                raise UsageError(
                    f"The native engine works on contiguous float32 tensors on the CPU; a parameter, buffer or gradient"
                    f" [{' '.join(map(str, tensor.shape))}] is {tensor.dtype} on {tensor.device}, or has gaps."
                )
