"""From figures to a verdict: Pass, Fail, or Inconclusive where the rows say too little."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from penstock_spec.kinds.validate import Metric, Threshold
from penstock_spec.names import Reason
from penstock_spec.status import Verdict
from penstock_steps.errors import user_error


@dataclass(frozen=True)
class Finding:
    """One threshold held against its figure. `interval` is empty where none was computed."""

    metric: Metric
    value: float
    interval: tuple[float, float] | None
    minimum: float | None
    maximum: float | None

    @property
    def met(self) -> bool:
        """Whether the figure lies on the right side of every bound."""
        return (self.minimum is None or self.value >= self.minimum) and (
            self.maximum is None or self.value <= self.maximum
        )

    def words(self, rows: int | None) -> str:
        """`roc_auc 0.9912 [0.981, 0.998] on 114 rows, needs at least 0.999`."""
        spread = f" [{number(self.interval[0], 3)}, {number(self.interval[1], 3)}]" if self.interval else ""
        on = f" on {rows:,} rows" if rows is not None else ""
        bounds = [f"at least {self.minimum:g}" if self.minimum is not None else ""]
        bounds.append(f"at most {self.maximum:g}" if self.maximum is not None else "")
        return (
            f"{self.metric} {number(self.value, 4)}{spread}{on}, needs {' and '.join(filter(None, bounds))}"
        )


@dataclass(frozen=True)
class Judgement:
    """The verdict with its reason (empty for Pass) and the sentence for the status."""

    verdict: Verdict
    reason: str
    message: str
    findings: Sequence[Finding]


def compare(
    thresholds: Sequence[Threshold],
    figures: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]],
) -> list[Finding]:
    """Each threshold beside its figure, for those metrics that were measured."""
    return [
        Finding(one.metric, figures[one.metric], intervals.get(one.metric), one.minimum, one.maximum)
        for one in thresholds
        if one.metric in figures
    ]


def undefined(
    thresholds: Sequence[Threshold], figures: Mapping[str, float], possible: Collection[Metric]
) -> list[str]:
    """Doubts about metrics that these rows do not define. UserError for one that this model can
    never have.
    """
    found = []
    for one in thresholds:
        if one.metric not in possible:
            raise user_error(
                f"metric {one.metric} of a threshold does not fit this model, which gives: "
                f"{', '.join(metric for metric in Metric if metric in possible)}"
            )
        if one.metric not in figures:
            found.append(f"{one.metric} is not defined on these rows")
    return found


def judge(findings: Sequence[Finding], doubts: Sequence[str], rows: int | None) -> Judgement:
    """Doubts make it Inconclusive; else every threshold must be met. `rows` is how many were scored, if
    known.
    """
    missed = [one for one in findings if not one.met]
    if doubts:
        return Judgement(Verdict.INCONCLUSIVE, Reason.INCONCLUSIVE, "; ".join(doubts), findings)
    if missed:
        return Judgement(
            Verdict.FAIL, Reason.THRESHOLD_NOT_MET, "; ".join(one.words(rows) for one in missed), findings
        )
    return Judgement(Verdict.PASS, "", "; ".join(one.words(rows) for one in findings), findings)


def doubts(
    rows: int, minimum_rows: int, per_class: Sequence[int] | None, minimum_per_class: int
) -> list[str]:
    """Why the rows may say too little. `per_class` counts the test rows of each label; None for
    a regression."""
    found = []
    if rows < minimum_rows:
        found.append(f"{rows:,} test rows, needs at least {minimum_rows:,} (minimumRows)")
    if per_class is not None:
        if sum(count > 0 for count in per_class) < 2:
            found.append("the test rows are all of one class")
        few = [count for count in per_class if count < minimum_per_class]
        if few:
            found.append(
                f"{len(few)} of {len(per_class)} classes have too few test rows: the smallest has "
                f"{min(few)}, needs "
                f"at least {minimum_per_class} (minimumPerClass)"
            )
    return found


def number(value: float, digits: int) -> str:
    """A figure for people: `digits` places, more significant ones where that would show nothing."""
    return f"{value:.{digits}f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:.{digits}g}"
