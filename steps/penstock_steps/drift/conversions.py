"""Conversions between units that people mix up: what a value of training becomes in the other unit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Conversion:
    """value in the window = factor * value in training + offset."""

    factor: float
    offset: float = 0.0
    words: str = ""

    @property
    def is_round(self) -> bool:
        """Whether it is a power of ten and nothing else."""
        return self in _TENS

    @property
    def inverse(self) -> "Conversion":
        """The way back, without words."""
        return Conversion(1 / self.factor, -self.offset / self.factor)


def _both(factor: float, one: str, other: str, offset: float = 0.0) -> tuple[Conversion, Conversion]:
    there = Conversion(factor, offset, f"{one} to {other}")
    back = there.inverse
    return there, Conversion(back.factor, back.offset, f"{other} to {one}")


# Powers of ten have no names of their own: thousands, per cent, milli and kilo are all of them. The usual
# ones are told by an example.
_USUAL = {
    1: ("centimetres", "millimetres"),
    2: ("shares", "per cent"),
    3: ("kilograms", "grams"),
    6: ("seconds", "microseconds"),
    9: ("seconds", "nanoseconds"),
}


def _ten(power: int) -> Conversion:
    one, other = _USUAL.get(abs(power), ("", ""))
    if power < 0:
        one, other = other, one
    return Conversion(10.0**power, words=f"like {one} to {other}" if one else "")


_TENS = tuple(_ten(power) for power in range(-9, 10) if power)
# What is mixed up most often stands first.
SCALES = (
    *_TENS,
    *_both(0.45359237, "pounds", "kilograms"),
    *_both(1.609344, "miles", "kilometres"),
    *_both(2.54, "inches", "centimetres"),
    *_both(25.4, "inches", "millimetres"),
    *_both(0.3048, "feet", "metres"),
    *_both(30.48, "feet", "centimetres"),
    *_both(60, "minutes", "seconds"),
    *_both(3600, "hours", "seconds"),
    *_both(86400, "days", "seconds"),
    *_both(24, "days", "hours"),
    *_both(365.25, "years", "days"),
    *_both(12, "years", "months"),
    *_both(7, "weeks", "days"),
    *_both(1024, "kibibytes", "bytes"),
    *_both(1048576, "mebibytes", "bytes"),
    *_both(3.6, "metres per second", "kilometres per hour"),
    *_both(28.349523, "ounces", "grams"),
    *_both(453.59237, "pounds", "grams"),
    *_both(3.785412, "US gallons", "litres"),
    *_both(10.76391, "square metres", "square feet"),
    *_both(4.184, "kilocalories", "kilojoules"),
    *_both(57.29578, "radians", "degrees"),
    *_both(18.016, "mmol/l", "mg/dl of glucose"),
    *_both(38.67, "mmol/l", "mg/dl of cholesterol"),
    *_both(88.42, "mg/dl", "µmol/l of creatinine"),
    *_both(7.500617, "kilopascals", "mmHg"),
    *_both(6.894757, "psi", "kilopascals"),
    *_both(2.236936, "metres per second", "miles per hour"),
    *_both(1.852, "nautical miles", "kilometres"),
    *_both(4.046856, "acres", "1,000 square metres"),
)
AFFINE = (
    *_both(1.8, "Celsius", "Fahrenheit", 32.0),
    *_both(1.0, "Celsius", "Kelvin", 273.15),
    *_both(1.8, "Kelvin", "Fahrenheit", -459.67),
)
