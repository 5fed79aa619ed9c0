"""Which number format a recipe's arithmetic runs in on this machine.

Weights, losses and published networks are float32 always; mixed precision multiplies in
bfloat16, which has float32's range, so the loss needs no scaling.
"""

from pathlib import Path

import keras

FLOAT, MIXED = "float32", "mixed_bfloat16"
PRECISIONS = (FLOAT, MIXED)

_CPU_INFO = Path("/proc/cpuinfo")
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux names it on x86 and on ARM


def best_precision() -> str:
    """`mixed_bfloat16` where it is faster: on a GPU, or a CPU with instructions for it.

    Other CPUs emulate it, slower than float32.
    """
    if _has_gpu() or _cpu_has_bfloat16():
        return MIXED
    return FLOAT


def _has_gpu() -> bool:
    if keras.backend.backend() == "torch":  # of which Keras lists no devices
        import torch

        return bool(torch.cuda.is_available())
    return any(name.startswith("gpu") for name in keras.distribution.list_devices())


def _cpu_has_bfloat16() -> bool:
    # oneDNN, which TensorFlow and PyTorch multiply with, uses them; JAX on a CPU does not.
    if keras.backend.backend() == "jax" or not _CPU_INFO.is_file():
        return False
    return bool(_BFLOAT16 & set(_CPU_INFO.read_text(encoding="utf-8").split()))
