"""A `.keras` file -> the two LiteRT files, in a process with the TensorFlow backend.

`training.export` starts it; the converter is part of TensorFlow whatever backend trained
the network.
"""

import sys


def convert(source: str, litert: str | None, explain: str) -> None:
    """Write `explain`, and `litert` where it is given; weights and arithmetic stay float32."""
    import keras

    from training.inside import show_inside

    network = keras.saving.load_model(source, compile=False, safe_mode=True)
    if litert is not None:
        network.export(litert, format="litert", verbose=False)
    show_inside(network).export(explain, format="litert", verbose=False)


if __name__ == "__main__":
    _source, *_litert, _explain = sys.argv[1:]
    convert(_source, _litert[0] if _litert else None, _explain)
