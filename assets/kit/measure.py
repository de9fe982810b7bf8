"""Measure the models of this kit on this machine. See README.md beside it.

Nothing of the folder is imported before every file in it was compared with kit.json.
"""

import os  # Python itself holds these two before it comes here
import sys

if sys.version_info < (3, 11):      # noqa: UP036 - who has the kit alone may have an older one
    sys.exit("measure.py: this Python is too old. Take Python 3.11 or newer")
PLACE = os.path.dirname(os.path.realpath(__file__))
sys.path[:] = [place for place in sys.path if os.path.realpath(place) != PLACE]   # no pathlib.py that lies beside this
os.environ["PYTHONSAFEPATH"] = "1"      # nor in the processes that measure
sys.dont_write_bytecode = True

import hashlib  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402

KIT, CHECKED = Path(PLACE), ("code", "models")


def check():
    """Ends here where a file of the kit was changed, cut short or left behind, or another one lies in its folders."""
    def refuse(problem):
        print(f"measure.py: {problem}. Unpack the kit again", file=sys.stderr)
        sys.exit(2)

    try:
        files = dict(json.loads((KIT / "kit.json").read_text(encoding="utf-8"))["files"])
        known = {Path(name) for name in files} | {above for name in files for above in Path(name).parents}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        refuse("kit.json is not the list of a kit")
    there = {path.relative_to(KIT) for folder in CHECKED for path in (KIT / folder).rglob("*")}
    if added := sorted(there - known):
        refuse(f"{str(added[0])!a} is no file of this kit: it was added")
    for name, expected in files.items():
        if not (KIT / name).is_file() or hashlib.sha256((KIT / name).read_bytes()).hexdigest() != expected:
            refuse(f"{name!a} is not what kit.json keeps a digest of: it was changed, cut short or left behind")


if __name__ == "__main__":      # the processes that measure come here, too, by another name
    check()
sys.path.insert(0, str(KIT / "code"))

from ecgscale import command  # noqa: E402 - the kit's own copy
from ecgscale.errors import UserError  # noqa: E402
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
    try:
        from ecgscale.deploy.kit import device
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed in the Python that runs this, {sys.executable}",
                        remedy="Install what README.md names for this system, and run measure.py with that Python"
                        ) from None

    runtimes, devices = ([name for name in text.split(",") if name] for text in (args.runtimes, args.devices))
    if args.list:
        print(device.listing(runtimes))
    else:
        device.measure(KIT, runtimes, devices, args.machine, cpus, args.out)


if __name__ == "__main__":
    command.run(main)
