"""The kit: exported models, their samples and the code that measures them, for machines that have nothing of ours.

`make.py` packs it and `unpack.py` reads what comes back, here. `device.py` measures and `pack.py` writes the bundle,
there: they and all that they import need Python, numpy and the runtimes' own libraries.
"""
