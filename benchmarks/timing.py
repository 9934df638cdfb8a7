"""Cycles that a Cortex-M takes for an exported network: every instruction that QEMU executes, by the manuals' timings.

QEMU logs the address of each block of instructions; the Arm disassembler says what stands there. Timings are of the
Technical Reference Manuals of the Cortex-M0+ (with the multiplier of one cycle) and the Cortex-M4, with memory that
never makes the processor wait; flash that does, as at high clock rates without a cache, takes longer.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import cortex_m

_OURS = {"start", "measure", "begin", "ticks", "call", "open_file", "transfer"}
"""Functions of board.c, which do not count."""
_PAGE = 1024
"""Bytes; no block of QEMU's goes beyond one."""
_BRANCHES = re.compile(r"^(b|bl|bx|blx|cbn?z|tb[bh])$|^b(eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)$")


def cycles(program: cortex_m.Program, cpu: str, picture: NDArray[np.uint8]) -> Counter[str]:
    """Cycles of each function of the network on one picture (uint8 [H W C], or whatever has its bytes)."""
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(scratch)
        image = cortex_m.built(program, cpu, "-Os", where)
        code = _disassembled(image)
        (where / "pictures.raw").write_bytes(picture.tobytes())
        cortex_m.run(cortex_m.EMULATOR, "-M", cortex_m.board(cpu).machine, "-nographic", "-monitor", "none", "-serial",
                     "none",
                     "-semihosting-config", "enable=on,target=native", "-d", "exec,nochain", "-D",
                     "trace.log", "-kernel", image, cwd=where)  # fmt: skip
        blocks: Counter[tuple[int, int]] = Counter()
        last = 0
        with (where / "trace.log").open() as trace:
            for line in trace:
                if line.startswith("Trace"):
                    now = int(line.split("[", 1)[1].split("/")[1], 16)
                    blocks[last, now] += 1
                    last = now
    timing = {"cortex-m0plus": _m0plus, "cortex-m4": _m4}[cpu]
    found: Counter[str] = Counter()
    for (at, then), times in blocks.items():
        for one, after in _steps(at, then, code):
            length, name, operands, function = code[one]
            following = code[after][1] if after in code else ""
            found[function] += times * timing(name, operands, after != one + length, following)
    return found


def _steps(at: int, then: int, code: dict[int, tuple[int, str, str, str]]) -> Iterator[tuple[int, int]]:
    """The instructions of a block, each with the next one: up to one that may jump, or to the end of QEMU's page."""
    while at in code:
        length, name, operands, _ = code[at]
        after = at + length
        jumps = _BRANCHES.match(name) or re.search(r"\bpc\b", operands.split("}")[0].split(",")[-1])
        if jumps or (after + code.get(after, (1,))[0] - 1) // _PAGE != at // _PAGE:
            yield at, then
            return
        yield at, after
        at = after


def _disassembled(image: Path) -> dict[int, tuple[int, str, str, str]]:
    """Of each instruction of the network's functions and the compiler's own: its bytes, name, operands and function."""
    found = {}
    function = ""
    for line in cortex_m.run("arm-none-eabi-objdump", "-d", image).splitlines():
        if head := re.match(r"^[0-9a-f]+ <(.+)>:$", line):
            function = head[1]
        elif function not in _OURS and (it := re.match(r"^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(\S+)\s*(.*)$", line)):
            length = len(it[2].replace(" ", "")) // 2
            found[int(it[1], 16)] = (length, it[3].removesuffix(".n").removesuffix(".w"), it[4], function)
    return found


def _listed(operands: str) -> int:
    """Registers in a list such as {r4, r5, pc} or {r4-r7}."""
    inside = operands[operands.index("{") + 1 : operands.index("}")].split(",")
    total = 0
    for word in inside:
        ends = [int(end[1:]) for end in word.strip().split("-") if end[1:].isdigit()]
        total += ends[1] - ends[0] + 1 if len(ends) == 2 else 1
    return total


def _m0plus(name: str, operands: str, jumped: bool, _following: str) -> int:
    if name in ("bl", "blx", "bx", "b"):
        return 3 if name == "bl" else 2
    if _BRANCHES.match(name):
        return 2 if jumped else 1
    if name in ("push", "pop") or name.startswith(("ldm", "stm")):
        return 1 + _listed(operands) + (2 if jumped else 0)
    if name.startswith(("ldr", "str")):
        return 2
    return 2 if jumped else 1


def _m4(name: str, operands: str, jumped: bool, following: str) -> int:
    refill = 2 if jumped else 0
    if name in ("push", "pop") or name.startswith(("ldm", "stm")):
        return 1 + _listed(operands) + refill
    if name.startswith("ldr"):
        return (1 if following.startswith(("ldr", "str")) else 2) + refill
    if name.startswith(("sdiv", "udiv")):
        return 7
    return 1 + refill
