"""Whether a column of numbers came in another unit: its shape is that of training, its scale is not.

A change of unit is told only where it cannot well be anything else. All of these must hold:
1. As they are, the values are far from those of training (D at least FAR, and significant).
2. Converted back they agree with them (D at most NEAR, or no more than chance explains).
3. The conversion is a known one, or a factor of FREE or more (or its inverse) that the data themselves give.
4. A factor or an offset that is a tenth off (the factor in its logarithm) would not agree: the values are
   narrow enough to tell. Where both must fit at once, as from Celsius to Fahrenheit, that is proof enough.
5. There are at least FEWEST_DISTINCT different values: a constant says nothing of a unit.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from penstock_steps.drift.conversions import AFFINE, SCALES, Conversion
from penstock_steps.drift.kolmogorov_smirnov import p_value
from penstock_steps.drift.observed import Numbers
from penstock_steps.drift.reference import NumberReference
from penstock_steps.profile import Floats

FAR = 0.4  # of a column around zero no factor brings more than 0.5
NEAR = 0.05
FREE = 3.0
FEWEST_DISTINCT = 5
_OFF = 0.1
_APART = 0.1
# Agreement is refused where chance would explain the distance less often than this: of a known conversion,
# and of a factor that only the data give.
_CHANCE, _CHANCE_FREE = 0.01, 0.2
_TOLERANCE = 0.25  # of ln(factor), between the data's own factor and known ones to try
_SHARES = np.arange(1, 20) / 20


def unit_change(reference: NumberReference, observed: Numbers, significance: float) -> Conversion | None:
    """The conversion that explains the window, or None. `significance` is already corrected for many
    columns.
    """
    ordered = observed.values[np.isfinite(observed.values)]
    # Zero is zero in every unit of a scale; a column that is mostly zero shows its unit in the rest.
    scaled, nonzero = without_zeros(reference), ordered[ordered != 0]
    if _differs(scaled, nonzero, significance) and (found := _scale(scaled, nonzero)):
        return found
    if _differs(reference, ordered, significance):
        return next((one for one in AFFINE if _explains(one, reference, ordered)), None)
    return None


def without_zeros(reference: NumberReference) -> NumberReference:
    """The reference of the values that are not 0, as far as its steps know of zeros."""
    place = np.flatnonzero(reference.values == 0)
    if not len(place):
        return reference
    zeros = int(reference.through[place[0]] - reference.below[place[0]])
    later = np.where(np.arange(len(reference.values)) > place[0], zeros, 0)
    return NumberReference(
        reference.count - zeros,
        reference.nulls,
        np.delete(reference.values, place),
        np.delete(reference.below - later, place),
        np.delete(reference.through - later, place),
        reference.edges,
        reference.bins,
    )


def tolerant_distance(reference: NumberReference, ordered: Floats) -> float:
    """How far the distribution functions are apart halfway between the frozen quantiles, where the
    reference's is known to lie between two bounds. So a rounding error of a conversion, which moves a value
    across a quantile, does not count.
    """
    values = reference.values
    with np.errstate(over="ignore"):
        inner = values[:-1] / 2 + values[1:] / 2
        first, last = values[0] - (inner[0] - values[0]), values[-1] + (values[-1] - inner[-1])
    points = np.concatenate([[first], inner, [last]])
    low = np.concatenate([[0], reference.through]) / reference.count
    high = np.concatenate([reference.below, [reference.count]]) / reference.count
    found = np.searchsorted(ordered, points, side="right") / len(ordered)
    return float(np.maximum(0.0, np.maximum(low - found, found - high)).max())


def _differs(reference: NumberReference, ordered: Floats, significance: float) -> bool:
    if len(reference.values) < FEWEST_DISTINCT or not len(ordered):
        return False
    if len(np.unique(ordered)) < FEWEST_DISTINCT:
        return False
    found = tolerant_distance(reference, ordered)
    return found >= FAR and p_value(found, reference.count, len(ordered)) < significance


def _explains(
    conversion: Conversion, reference: NumberReference, ordered: Floats, chance: float = _CHANCE
) -> bool:
    found = _distance_after(conversion, reference, ordered)
    agrees = found <= NEAR or p_value(found, reference.count, len(ordered)) > chance
    return agrees and all(
        _distance_after(off, reference, ordered) >= _APART for off in _slightly_off(conversion)
    )


def _slightly_off(conversion: Conversion) -> Iterator[Conversion]:
    if conversion.factor != 1 and conversion.offset:
        return
    for sign in (-_OFF, _OFF):
        yield Conversion(conversion.factor ** (1 + sign), conversion.offset * (1 + sign))


def _distance_after(conversion: Conversion, reference: NumberReference, ordered: Floats) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        converted = (ordered - conversion.offset) / conversion.factor
    return tolerant_distance(reference, converted)


def _scale(reference: NumberReference, ordered: Floats) -> Conversion | None:
    """The known factor that explains the values, else the one that they give themselves, else None.

    Where the values cannot tell several known factors apart (1000 and 1024 of incomes), the first of the list
    is taken, which are powers of ten and then what is mixed up most often. Others are named beside it, unless
    it is a power of ten: 1000 is not to be called kibibytes.
    """
    factor = _factor(reference, ordered)
    if factor is None:
        return None
    near = [one for one in SCALES if abs(math.log(factor / one.factor)) <= _TOLERANCE]
    known = [one for one in near if _explains(one, reference, ordered)]
    if known:
        return _likeliest(known, reference, ordered)
    own = Conversion(float(f"{factor:.3g}"))
    is_far = max(factor, 1 / factor) >= FREE
    return own if is_far and _explains(own, reference, ordered, _CHANCE_FREE) else None


def _likeliest(known: list[Conversion], reference: NumberReference, ordered: Floats) -> Conversion:
    distances = [_distance_after(one, reference, ordered) for one in known]
    chances = [p_value(one, reference.count, len(ordered)) for one in distances]
    equal = [one for one, chance in zip(known, chances, strict=True) if chance > _CHANCE]
    if not equal:  # with very many rows none is exact: the nearest
        return known[int(np.argmin(distances))]
    if equal[0].is_round:
        return equal[0]
    return replace(equal[0], words=", or ".join(one.words for one in equal if one.words))


def _factor(reference: NumberReference, ordered: Floats) -> float | None:
    """The median ratio of 19 quantiles of the window to those of training; None where it is no factor."""
    places = np.searchsorted(reference.through, _SHARES * reference.count)
    before = reference.values[np.minimum(places, len(reference.values) - 1)]
    after = ordered[np.ceil(_SHARES * len(ordered)).astype(int) - 1]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
        factor = float(np.median(after / before))
    return factor if math.isfinite(factor) and factor > 0 and math.isfinite(1 / factor) else None
