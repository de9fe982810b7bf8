"""What COLLECT keeps of the run that validation chose, planted: two classes, two people, two recordings."""

import numpy as np
import pandas as pd

from ecgscale.contracts import LEADS, METRICS, RELIABILITY, STRIPS, Example, Examples, ScoredClass

RATE = 500.0
CLASSES = (("164889003", "AF", "atrial fibrillation", True, 40), ("426783006", "NSR", "sinus rhythm", False, 4))


def chosen_run(run_id: str, synthetic: bool) -> dict:
    """Members of Inputs: chosen, reliability, examples, strips."""
    rows = []

    def add(group, value, metric, estimate, threshold="", n=100, positives=None):
        rows.append({"run_id": run_id, "part": "test", "threshold": threshold, "group": group, "value": value,
                     "metric": metric, "estimate": estimate, "low": estimate - 0.05, "high": estimate + 0.03, "n": n,
                     "positives": positives, "note": "few cases" if positives is not None and positives < 10 else ""})

    for code, _, _, _, positives in CLASSES:
        for metric, estimate in (("auroc", 0.9), ("auprc", 0.6), ("ece", 0.05)):
            add("class", code, metric, estimate, positives=positives)
        for threshold, recall in (("tuned", 0.8), ("specificity 0.95", 0.7), ("0.5", 0.3)):
            for metric, estimate in (("recall", recall), ("specificity", 0.93), ("precision", 0.75)):
                add("class", code, metric, estimate, threshold, positives=positives)
    for group, value, n in (("all", "", 100), ("sex", "female", 45), ("age", "60-79", 30), ("source", "ptb", 100)):
        for metric, estimate in (("auroc", 0.88), ("auprc", 0.5), ("brier", 0.04), ("ece", 0.06)):
            add(group, value, metric, estimate, n=n)
        for metric, estimate in (("challenge_score", 0.55), ("recall", 0.71), ("specificity", 0.9),
                                 ("critical_miss_rate", 0.125)):
            add(group, value, metric, estimate, "tuned", n=n)
    add("class", "164889003", "auroc", 0.11, positives=40)
    rows[-1]["part"] = "valid"                                  # never shown
    bins = pd.DataFrame([
        {"run_id": run_id, "part": "test", "value": code, "bin": place, "low": place / 10, "high": (place + 1) / 10,
         "n": 10 * (place + 1), "probability": place / 10 + 0.05, "share": place / 10,
         "share_low": place / 20, "share_high": place / 10 + 0.1}
        for code in ("", *(one[0] for one in CLASSES)) for place in (0, 3, 8)])
    seconds = np.arange(5000) / RATE
    beats = np.rint(1000 * np.exp(-(((seconds % 0.8) - 0.4) / 0.01) ** 2)).astype(int)     # 1 mV
    strips = pd.concat([pd.DataFrame({"record": name} | {f"uv_{lead}": beats for lead in LEADS})
                        for name in ("ptb/A1", "ptb/A2")])
    examples = Examples(
        run_id=run_id, synthetic=synthetic, rate=RATE,
        classes=tuple(ScoredClass(code=code, abbreviation=short, name=name, critical=critical, threshold=0.4)
                      for code, short, name, critical, _ in CLASSES),
        recordings=(Example(record="ptb/A1", kind="right", source="ptb", age=61.0, sex="female", seconds=10.0,
                            truth=("164889003",), predicted=("164889003",), probabilities={"164889003": 0.97}),
                    Example(record="ptb/A2", kind="wrong", source="ptb", age=None, sex=None, seconds=1800.0,
                            truth=("426783006",), predicted=(), probabilities={"426783006": 0.01})))
    return {"chosen": METRICS.arrow(pd.DataFrame(rows), "test").to_pandas(),
            "reliability": RELIABILITY.arrow(bins, "test").to_pandas(), "examples": examples,
            "strips": STRIPS.arrow(strips, "test").to_pandas()}
