"""A line through noisy observations that keep coming, in plain Python: four features need no library."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

OUTLIER = 3.0
"""An observation of so many times its prediction counts as one of this many: a pause of the machine is not a price."""

RIDGE = 1e-6
"""Part of the mean square that is added to each feature's: features that never change must not blow up."""


@dataclass(slots=True)
class Line:
    """Non-negative least squares over observations whose weight decays.

    The square of an error counts over what was observed. Steps differ a thousandfold in length: if every microsecond
    counted alike, the longest would decide alone, and a short one could be predicted as ten times as long as it is.

    More work never takes less time: of all subsets of features whose weights come out non-negative, the one that fits
    best counts (for so few features simpler than Lawson and Hanson's active sets, and the same result).

    Attributes:
        scales: What each feature is divided by, to make them alike in size.
        forgetting: Weight of the past at each observation.
        seen: Observations so far.
    """

    scales: tuple[float, ...]
    forgetting: float = 0.995
    seen: int = 0
    _squares: list[list[float]] = field(init=False)
    _products: list[float] = field(init=False)
    _weights: list[float] | None = None

    def __post_init__(self) -> None:
        self._products = [0.0] * len(self.scales)
        self._squares = [[0.0] * len(self.scales) for _ in self.scales]

    def predict(self, features: Sequence[float]) -> float:
        """The value the line expects."""
        return sum(w * f / s for w, f, s in zip(self._solved(), features, self.scales, strict=True))

    def price(self, feature: int) -> float:
        """What one more of a feature costs."""
        return self._solved()[feature] / self.scales[feature]

    def learn(self, features: Sequence[float], value: float) -> None:
        """Take in one observation."""
        if self.seen >= 2 * len(self.scales) and (expected := self.predict(features)) > 0:
            value = min(value, OUTLIER * expected)
        root = max(value, 1.0) ** 0.5
        x = [f / s / root for f, s in zip(features, self.scales, strict=True)]
        self._products = [self.forgetting * old + f * value / root for old, f in zip(self._products, x, strict=True)]
        self._squares = [
            [self.forgetting * old + f * g for old, g in zip(row, x, strict=True)]
            for row, f in zip(self._squares, x, strict=True)
        ]
        self.seen += 1
        self._weights = None

    def _solved(self) -> list[float]:
        if self._weights is None:
            self._weights = self._solve() if self.seen else [0.0] * len(self.scales)
        return self._weights

    def _solve(self) -> list[float]:
        features = range(len(self.scales))
        ridge = RIDGE * sum(self._squares[f][f] for f in features)
        best, best_gain = [0.0] * len(self.scales), 0.0
        for size in reversed(features):
            for subset in combinations(features, size + 1):
                rows = [[self._squares[r][c] + ridge * (r == c) for c in subset] + [self._products[r]] for r in subset]
                weights = eliminate(rows)
                gain = sum(w * self._products[f] for w, f in zip(weights, subset, strict=True))
                if min(weights) >= 0 and gain > best_gain:
                    best_gain = gain
                    best = [0.0] * len(self.scales)
                    for feature, weight in zip(subset, weights, strict=True):
                        best[feature] = weight
            if size + 1 == len(self.scales) and best_gain > 0:
                # No subset fits better than all features together, if that is allowed.
                break
        return best


def eliminate(rows: list[list[float]]) -> list[float]:
    """Solve a positive definite system, given with its right side as last column, by Gaussian elimination."""
    size = len(rows)
    for pivot in range(size):
        for below in range(pivot + 1, size):
            factor = rows[below][pivot] / rows[pivot][pivot]
            rows[below] = [b - factor * p for b, p in zip(rows[below], rows[pivot], strict=True)]
    solution = [0.0] * size
    for row in reversed(range(size)):
        known = sum(rows[row][column] * solution[column] for column in range(row + 1, size))
        solution[row] = (rows[row][size] - known) / rows[row][row]
    return solution
