"""Choose the precision of a training's arithmetic on this machine.

Weights, losses and published networks are always float32. Mixed precision computes products in
bfloat16, which has the range of float32, so the loss needs no scaling.
"""

from pathlib import Path

import keras

FLOAT32, MIXED_BFLOAT16 = "float32", "mixed_bfloat16"

_CPU_INFO = Path("/proc/cpuinfo")
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # Linux's names on x86 and ARM


def best_precision() -> str:
    """Return "mixed_bfloat16" on a GPU or a CPU with bfloat16 instructions, else "float32".

    Other CPUs emulate bfloat16, which is slower than float32.
    """
    if _has_gpu() or _cpu_has_bfloat16():
        return MIXED_BFLOAT16
    return FLOAT32


def _has_gpu() -> bool:
    if keras.backend.backend() == "torch":  # Keras cannot list the devices of PyTorch
        import torch

        return bool(torch.cuda.is_available())
    return any(name.startswith("gpu") for name in keras.distribution.list_devices())


def _cpu_has_bfloat16() -> bool:
    # TensorFlow and PyTorch use these instructions through oneDNN; JAX does not on a CPU.
    if keras.backend.backend() == "jax" or not _CPU_INFO.is_file():
        return False
    return bool(_BFLOAT16 & set(_CPU_INFO.read_text(encoding="utf-8").split()))
