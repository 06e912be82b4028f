"""Writes the examples' tables as CSV files: `python examples/data.py FOLDER`.

tumour, diabetes, wine and digits come with scikit-learn; churn is made up here, with missing values and
texts, always the same. Nothing is downloaded.
"""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

CHURN_ROWS = 1500
CHURN_COLUMNS = (
    "customer",
    "tenure_months",
    "monthly_charge",
    "contract",
    "payment",
    "senior",
    "churned",
)


def main() -> int:
    """Write all five tables to the folder named on the command line."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python examples/data.py FOLDER\n")
        return 2
    write_all(Path(sys.argv[1]))
    return 0


def write_all(folder: Path) -> None:
    """tumour.csv, diabetes.csv, wine.csv, digits.csv and churn.csv in `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    tumour, diabetes, wine = load_breast_cancer(), load_diabetes(scaled=False), load_wine()
    # In the original 0 stands for malignant; a column that says so needs no explanation.
    malignant = ["true" if target == 0 else "false" for target in tumour.target]
    _write(folder / "tumour.csv", tumour.feature_names, tumour.data, "malignant", malignant)
    _write(folder / "diabetes.csv", diabetes.feature_names, diabetes.data, "progression", diabetes.target)
    _write(folder / "wine.csv", wine.feature_names, wine.data, "cultivar", wine.target)
    digits = load_digits()
    _write(folder / "digits.csv", digits.feature_names, digits.data, "digit", digits.target)
    _write_churn(folder / "churn.csv")


def _write(path: Path, names: Sequence[str], rows: np.ndarray, target: str, values: Iterable[object]) -> None:
    header = [name.replace(" ", "_").replace("/", "_") for name in names]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*header, target])
        for row, value in zip(rows, values, strict=True):
            writer.writerow([*(f"{cell:.12g}" for cell in row), value])


def _write_churn(path: Path) -> None:
    """Customers of a made-up telephone company; about a tenth of the cells are missing."""
    random = np.random.default_rng(20261121)
    contracts = random.choice(["monthly", "yearly", "two years"], CHURN_ROWS, p=[0.5, 0.3, 0.2])
    payments = random.choice(["card", "transfer", "cheque", "direct debit"], CHURN_ROWS)
    tenure = random.integers(0, 72, CHURN_ROWS)
    charge = np.round(random.gamma(6.0, 11.0, CHURN_ROWS) + 12, 2)
    senior = random.random(CHURN_ROWS) < 0.2
    pull = 1.6 * (contracts == "monthly") - 1.1 * (contracts == "two years") + 0.5 * (payments == "cheque")
    logit = -1.2 + pull - 0.04 * tenure + 0.02 * (charge - 75) + 0.5 * senior
    churned = random.random(CHURN_ROWS) < 1 / (1 + np.exp(-logit))
    missing = random.random((CHURN_ROWS, 4)) < [0.12, 0.08, 0.1, 0.05]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CHURN_COLUMNS)
        for index in range(CHURN_ROWS):
            cells = [charge[index], contracts[index], payments[index], "yes" if senior[index] else "no"]
            shown = ["" if gone else cell for cell, gone in zip(cells, missing[index], strict=True)]
            writer.writerow([f"C{index:05d}", tenure[index], *shown, "yes" if churned[index] else "no"])


if __name__ == "__main__":
    sys.exit(main())
