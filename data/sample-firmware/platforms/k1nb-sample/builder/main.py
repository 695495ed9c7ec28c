"""Compile with zig's clang, pack with esptool; both come from PyPI and run as programs.

The code is RISC-V, not Xtensa: the image has the format of an ESP32-S3 but would not run on one.
"""

import os
import subprocess
import time
from pathlib import Path

from SCons.Script import Default, DefaultEnvironment


def git(*arguments):
    """Return what git says about the project, or nothing outside of a repository."""
    command = ["git", "-C", env.subst("$PROJECT_DIR"), *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def identity():
    """Return the macros that name the build: its stamp, and date and time of the commit."""
    commit = os.environ.get("COMMIT_SHA") or git("rev-parse", "HEAD")
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct") or "0"
    moment = time.gmtime(int(epoch))
    macros = {"BUILD_TIME": time.strftime("%H:%M:%S", moment), "BUILD_DATE": time.strftime("%b %d %Y", moment)}
    if commit:
        macros["ARDUINO_ESP32_RELEASE_3_0_0"] = f"k1-{commit[:12]}"
    return [(name, env.StringifyMacro(text)) for name, text in macros.items()]


env = DefaultEnvironment()
board = env.BoardConfig()
here = Path(env.PioPlatform().get_dir()) / "builder"
# Zig answers a second compilation from its cache without the warnings, so each build has a cache of its own.
env["ENV"]["ZIG_LOCAL_CACHE_DIR"] = env.subst("$BUILD_DIR/zig")
env["ENV"]["ZIG_GLOBAL_CACHE_DIR"] = env.subst("$PROJECT_CORE_DIR/zig")
target = ["-target", "riscv32-freestanding-none", "-fno-sanitize=undefined"]

env.Replace(
    CC='"$PYTHONEXE" -m ziglang cc',
    CXX='"$PYTHONEXE" -m ziglang c++',
    AR='"$PYTHONEXE" -m ziglang ar',
    RANLIB='"$PYTHONEXE" -m ziglang ranlib',
    LINK="$CC",
    PROGSUFFIX=".elf",
    PROGNAME="firmware",
    SIZETOOL=str(here / "size.py"),
    SIZECHECKCMD=["$PYTHONEXE", "$SIZETOOL", "$SOURCES"],
    SIZEPROGREGEXP=r"^\.(?:flash\.rodata|flash\.text|dram0\.data) (\d+) ",
    SIZEDATAREGEXP=r"^\.dram0\.(?:data|bss) (\d+) ",
)
env.Append(
    CFLAGS=["-std=c11"],
    CXXFLAGS=["-std=c++17", "-fno-exceptions", "-fno-rtti"],
    CCFLAGS=[*target, "-Os", "-g0", "-ffreestanding", "-fno-builtin", "-fno-ident"],
    CPPDEFINES=identity(),
    LINKFLAGS=[
        *target,
        "-nostdlib",
        "-static",
        "-s",
        "-Wl,--build-id=none",
        "-Wl,--entry=call_start_cpu0",
        "-T",
        os.path.relpath(here / "link.ld"),
    ],
)

elf = env.BuildProgram()
image = env.Command(
    "$BUILD_DIR/firmware.bin",
    elf,
    env.VerboseAction(
        '"$PYTHONEXE" -m esptool --chip esp32s3 elf2image --elf-sha256-offset 0xb0'
        f" --flash-mode {board.get('build.flash_mode')} --flash-freq {board.get('build.flash_freq')}"
        f" --flash-size {board.get('build.flash_size')} -o $TARGET $SOURCES",
        "Packing $TARGET",
    ),
)
env.Depends(image, "checkprogsize")
Default(image)
