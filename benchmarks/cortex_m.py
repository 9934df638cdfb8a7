"""An exported C program on Cortex-M and RISC-V: flash and RAM from the compiler; scores, instructions, stack from QEMU.

Needs Debian's gcc-arm-none-eabi and qemu-system-arm, for RISC-V also gcc-riscv64-unknown-elf and qemu-system-misc. A
Cortex-M's instructions are counted with a timer of the emulated processor, which QEMU advances by one nanosecond per
instruction, calibrated on a loop of known length; they are not cycles.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
COMPILER, EMULATOR = "arm-none-eabi-gcc", "qemu-system-arm"
MISSING = [name for name in (COMPILER, EMULATOR) if shutil.which(name) is None]
HOW_TO_GET = "needs the Arm compiler and QEMU: apt-get install gcc-arm-none-eabi qemu-system-arm"


@dataclass(frozen=True)
class Board:
    """A board that QEMU emulates, and how programs for its processor are compiled."""

    machine: str
    ram: int = 0x400000
    """Bytes of RAM."""
    flash_start: int = 0
    ram_start: int = 0x20000000
    tools: str = "arm-none-eabi-"
    options: tuple[str, ...] = ("-mthumb",)
    emulator: tuple[str, ...] = (EMULATOR,)

    @property
    def places(self) -> list[str]:
        """The linker's options for where the board has flash and RAM."""
        values = {"flash_start": self.flash_start, "ram_start": self.ram_start, "ram_size": self.ram}
        return [f"-Wl,--defsym={name}={value}" for name, value in values.items()]


BOARDS = {"cortex-m0plus": Board("microbit", 0x4000), "cortex-m4": Board("mps2-an386")}
"""Of the processors that the package has estimates of; the first has a Cortex-M0, whose instructions are the M0+'s."""
OTHERS = {
    "cortex-m3": Board("mps2-an385"),
    "cortex-m7": Board("mps2-an500"),
    "cortex-m33": Board("mps2-an505", 0x200000, 0x10000000, 0x38000000),
    "riscv32": Board(
        "virt", 0x400000, 0x80000000, 0x80400000, "riscv64-unknown-elf-",
        ("-march=rv32imc", "-mabi=ilp32", "-mcmodel=medany", "-ffreestanding", "-nostdlib"),
        ("qemu-system-riscv32", "-bios", "none"),
    ),
}  # fmt: skip
"""Of other processors, for which it has none."""
CALIBRATION = 300_000
"""Number of instructions in the loop that board.c times."""


@dataclass(frozen=True)
class Program:
    """An exported network: the name, and the folder that holds NAME.h and NAME.c."""

    folder: Path
    name: str
    macros: tuple[str, ...] = ()
    """What is defined where it is compiled, such as NAME_FAST."""

    @property
    def defined(self) -> list[str]:
        """The compiler's options for that."""
        return [f"-D{macro}" for macro in self.macros]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What the command prints; its errors, where it fails, as an AssertionError."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def board(cpu: str) -> Board:
    """The board with this processor."""
    return (BOARDS | OTHERS)[cpu]


def lacking(cpu: str) -> list[str]:
    """The programs for this processor that the machine does not have."""
    return [name for name in (f"{board(cpu).tools}gcc", board(cpu).emulator[0]) if shutil.which(name) is None]


def _options(cpu: str, level: str) -> list[str]:
    of = board(cpu)
    processor = [f"-mcpu={cpu}"] if cpu.startswith("cortex") else []
    return [f"{of.tools}gcc", "-std=c99", level, *of.options, *processor]


def sizes(program: Program, cpu: str, level: str = "-Os") -> dict[str, Any]:
    """Bytes that a call of the network adds to a program: flash, including the compiler's own routines, and RAM without
    the stack.

    `flash` and `ram` are those of the network alone; `normalise` is the additional flash for preparing drawings, and
    `known`, where it is there, that for "none of these".
    """
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        base = _linked(program, cpu, level, Path(scratch), "(void)0")
        read = f"{program.name}_read(picture, scores)"
        calls = {"read": read}
        header = (program.folder / f"{program.name}.h").read_text()
        if "_known" in header:
            calls["known"] = f"{read}, {program.name}_known(scores)"
        if "_normalise" in header:
            calls["normalise"] = f"{program.name}_normalise(picture, 28, 28, picture), {read}"
        for part, call in calls.items():
            image = _linked(program, cpu, level, Path(scratch), call)
            found[part] = (image[0] - base[0], image[1] - base[1])
    flash, ram = found["read"]
    more = {part: found.get(part, (flash, 0))[0] - flash for part in ("normalise", *({"known"} & set(found)))}
    return {"flash": flash, "ram": ram} | more


def _linked(program: Program, cpu: str, level: str, scratch: Path, call: str) -> tuple[int, int]:
    """(text + data, data + bss) in bytes of a linked program whose start function makes this call."""
    start = scratch / "start.c"
    upper = program.name.upper()
    start.write_text(
        f'#include "{program.name}.h"\nuint8_t picture[{upper}_PIXELS];\nint16_t scores[{upper}_CLASSES];\n'
        f"void start(void);\nvoid start(void) {{ {call}; picture[0] = 1; scores[0] = 1; for (;;) {{ }} }}\n"
    )
    image = scratch / "image.elf"
    run(*_options(cpu, level), "-Wall", "-Wextra", "-Werror", "-pedantic", *program.defined,
         "-ffunction-sections", "-fdata-sections", "-nostartfiles",
         "-Wl,--gc-sections", "-Wl,-e,start", "-I", program.folder, start, program.folder / f"{program.name}.c",
         "-lgcc", "-o", image)  # fmt: skip
    numbers = re.findall(r"\d+", run(f"{board(cpu).tools}size", image).splitlines()[1])
    text, data, bss = (int(number) for number in numbers[:3])
    return text + data, data + bss


def built(program: Program, cpu: str, level: str, scratch: Path) -> Path:
    """The network with board.c around it, for QEMU; with all the RAM of the emulated board."""
    image, name, upper = scratch / "image.elf", program.name, program.name.upper()
    of = board(cpu)
    run(*_options(cpu, level), *program.defined, "-ffreestanding", "-nostdlib",
        "-ffunction-sections", "-Wl,--gc-sections", f'-DHEADER="{name}.h"', f"-DREAD={name}_read",
        f"-DPIXELS={upper}_PIXELS", f"-DCLASSES={upper}_CLASSES", f"-DRAM_END={of.ram_start + of.ram}u",
        *of.places, "-T", HERE / "board.ld", "-I", program.folder, HERE / "board.c",
        program.folder / f"{name}.c", "-lgcc", "-o", image)  # fmt: skip
    return image


def emulated(
    program: Program, cpu: str, pictures: NDArray[np.uint8], level: str = "-Os", classes: int = 10
) -> dict[str, Any]:
    """Scores (int16 [N classes]) of pictures (uint8 [N H W C]), the maximum of instructions and of stack over them, and
    the instructions of all."""
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(scratch)
        image = built(program, cpu, level, where)
        (where / "pictures.raw").write_bytes(pictures.tobytes())
        of = board(cpu)
        run(*of.emulator, "-M", of.machine, "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0",
            "-semihosting-config", "enable=on,target=native", "-kernel", image, cwd=where)  # fmt: skip
        kinds = [("scores", "<i2", (classes,)), ("ticks", "<u4"), ("loop", "<u4"), ("stack", "<u4")]
        answers = np.fromfile(where / "answers.raw", dtype=kinds)
    instructions = answers["ticks"] * (CALIBRATION / answers["loop"])
    return {
        "scores": answers["scores"],
        "instructions": round(float(instructions.max())),
        "total": round(float(instructions.sum())),
        "stack": int(answers["stack"].max()),
    }
