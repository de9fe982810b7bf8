"""Measure the models of this kit on this machine. See README.md beside it."""

import sys
from pathlib import Path

KIT = Path(__file__).resolve().parent
if sys.version_info < (3, 11):      # noqa: UP036 - who has the kit alone may have an older one
    sys.exit("measure.py: this Python is too old. Take Python 3.11 or newer")
sys.dont_write_bytecode = True
sys.path.insert(0, str(KIT / "code"))

from ecgscale import command  # noqa: E402 - the kit's own copy
from ecgscale.machine.processors import limit_cpus  # noqa: E402


def main(argv=None):
    made = command.parser("Check the models of this kit on this machine, then measure how fast they are.",
                          "python measure.py --devices cpu --machine my-board")
    made.add_argument("--runtimes", default="", metavar="A,B",
                      help="onnxruntime, openvino, coreml, litert (default: those that are installed)")
    made.add_argument("--devices", default="", metavar="A,B",
                      help="cpu, gpu, npu, cuda, directml, coreml, ... (default: all that are here)")
    made.add_argument("--machine", default="", metavar="NAME", help="name of this machine (default: its host name)")
    made.add_argument("--out", type=Path, metavar="FILE", help="the bundle (default: bundle-MACHINE.zip)")
    made.add_argument("--list", action="store_true", help="what this machine has, and why the rest is missing")
    command.add_cpus(made)
    args = made.parse_args(argv)
    cpus = limit_cpus(args.cpus)
    from ecgscale.deploy.kit import device

    runtimes, devices = ([name for name in text.split(",") if name] for text in (args.runtimes, args.devices))
    if args.list:
        print(device.listing(runtimes))
    else:
        device.measure(KIT, runtimes, devices, args.machine, cpus, args.out)


if __name__ == "__main__":
    command.run(main)
