"""Where do the intervals of the law with what it misses hold? Planted truths, most of which the law is not.

    PYTHONPATH=lib OMP_NUM_THREADS=1 .venv/bin/python docs/explanation/misses.py --tables 60

A table has 24 runs, designed and scattered in turn, with noise of 0.03 (Student's t of 3 degrees of freedom). The curve
at four times the largest network and the most recordings is foretold. Printed for each truth: how often the 90 %
interval held, and the median error of log y, by the law with its miss and by the law alone.
"""

import argparse

import numpy as np

from ecgscale.laws import fit_law
from ecgscale.laws.kriging import krige
from ecgscale.laws.profile import profile

SIZES = np.log([[1e4, 3e6], [300, 2e4]])        # parameters, recordings
AHEAD = np.array([[1.2e7], [2e4]])
NOISE = 0.03


def law(n, d, *, data=0.25):
    return 0.05 + 1.2 * n**-0.15 + 3.0 * d**-data


def waves(n, d, height, length):
    turns = 2 * np.pi / length
    return law(n, d) * np.exp(height * (np.sin(turns * np.log(n)) + np.sin(turns * np.log(d))))


def below_ceiling(n, d, sharpness):
    """From 0.7, the loss of a guess, on: the smallest runs hardly learn."""
    above = 9 * n**-0.25 + 14 * d**-0.35
    return 0.05 + (above**-sharpness + 0.65**-sharpness) ** (-1 / sharpness)


TRUTHS = {
    "the law itself": law,
    "size helps more from 100 k parameters on": lambda n, d: law(n, d) * (1 + (n / 1e5) ** 2) ** -0.03,
    "the exponent in data grows with size": lambda n, d: law(n, d, data=0.25 + 0.01 * np.log(n / 2e5)),
    "data help more from 2,000 recordings on": lambda n, d: (
        0.05 + 1.2 * n**-0.15 + 3.0 * d**-0.1 * (1 + (d / 2000) ** 3) ** -0.08),
    "a soft ceiling over the smallest runs": lambda n, d: below_ceiling(n, d, 1),
    "a ceiling": lambda n, d: below_ceiling(n, d, 3),
    "a hard ceiling": lambda n, d: below_ceiling(n, d, 10),
    "5 % of slow waves along both sizes": lambda n, d: waves(n, d, 0.05, 6.0),
    "3 % of fast waves": lambda n, d: waves(n, d, 0.03, 2.0),
}


def planted(truth, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    sizes = np.exp(random.uniform(SIZES[:, :1], SIZES[:, 1:], (2, 24)))
    if seed % 2:
        axes = (np.exp(np.linspace(*ends, count)) for ends, count in zip(SIZES, (6, 4), strict=True))
        sizes = np.array([axis.ravel() for axis in np.meshgrid(*axes)])
    return sizes, truth(*sizes) * np.exp(NOISE * random.standard_t(3, 24) / np.sqrt(3))


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--tables", type=int, default=60)
    args = made.parse_args()
    for name, truth in TRUTHS.items():
        right, rows = np.log(truth(*AHEAD)[0]), []
        for seed in range(args.tables):
            sizes, y = planted(truth, seed)
            told = krige("joint", *sizes, y=y).predict(*AHEAD)
            alone = fit_law("joint", *sizes, y=y, polish=False)
            low, high = profile(alone, np.log(AHEAD), np.arange(24)).curve[0]
            rows.append((np.log(told["y_low"][0]) <= right <= np.log(told["y_high"][0]), low <= right <= high,
                         abs(np.log(told["y"][0]) - right), abs(np.log(alone.predict(*AHEAD)[0]) - right)))
        inside, inside_alone, off, off_alone = np.array(rows, float).T
        print(f"{name:45} inside {inside.mean():.2f} {inside_alone.mean():.2f}  "
              f"error {np.median(off):.3f} {np.median(off_alone):.3f}", flush=True)


if __name__ == "__main__":
    main()
