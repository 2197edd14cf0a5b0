"""Record what scikit-learn's logistic regression fits to a few rows (testdata/golden/logistic.json).

    python tools/golden/logistic.py
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

OUT = pathlib.Path(__file__).parents[2] / "testdata/golden/logistic.json"


def case(classes, rows, columns, penalty, apart, seed):
    random = np.random.default_rng(seed)
    of = np.arange(rows) % classes
    centres = apart * random.normal(size=(classes, columns))
    x = (centres[of] + random.normal(size=(rows, columns)) * np.arange(1, columns + 1)).astype(np.float32)
    scaler = StandardScaler().fit(x.astype(np.float64))
    fit = LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=100_000).fit(scaler.transform(x.astype(np.float64)), of)
    weights = fit.coef_ / scaler.scale_  # of the rows as they are
    return {
        "classes": classes,
        "l2": penalty,
        "x": x.tolist(),
        "of": of.tolist(),
        "weights": weights.tolist(),
        "bias": (fit.intercept_ - weights @ scaler.mean_).tolist(),
        "accuracy": fit.score(scaler.transform(x.astype(np.float64)), of),
    }


def main():
    cases = [
        case(2, 24, 4, 1.0, 1.0, 0),
        case(2, 12, 30, 0.1, 3.0, 1),
        case(3, 30, 5, 1.0, 1.5, 2),
        case(5, 25, 3, 10.0, 2.0, 3),
    ]
    OUT.write_text(json.dumps({"versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__}, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
