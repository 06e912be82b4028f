"""What every model of the API shares: strictness, camelCase names, marks that the CRD generator reads.

A field's pydantic default is the compiler's default. It never becomes a schema default: digests are over what
the user set, so a new release may not write into old objects. The generator appends "Default: ..." to the
description instead. StoredDefault is the one exception, and says why.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from penstock_spec.plain import plain


@dataclass(frozen=True)
class Rule:
    """A CEL rule (`x-kubernetes-validations`) of the object or value that carries it.

    The compiler repeats it, because not everything that it compiles has passed an API server: by `fields`, of
    which at least `least` and at most one are set, or by `holds`, the same rule over JSON data. Rules with
    neither speak of the change from an old object, which only the API server sees.
    """

    rule: str
    message: str
    field_path: str | None = None
    fields: tuple[str, ...] = ()
    least: int = 0
    holds: Callable[[Mapping[str, Any]], bool] | None = None

    def to_schema(self) -> dict[str, str]:
        """The entry as the API server wants it."""
        entry = {"rule": self.rule, "message": self.message}
        return entry if self.field_path is None else {**entry, "fieldPath": self.field_path}


@dataclass(frozen=True)
class AnyJson:
    """Marks a field that takes any JSON value: rendered with `x-kubernetes-preserve-unknown-fields`."""


@dataclass(frozen=True)
class StoredDefault:
    """Marks a field whose default the API server writes into objects: a path that a subresource reads must
    exist.
    """


@dataclass(frozen=True)
class ListMap:
    """Marks a list whose items are told apart by `key`: rendered as `x-kubernetes-list-type: map`."""

    key: str = "name"


@dataclass(frozen=True)
class MapLimits:
    """Bounds of a free-form map: how many entries, how long a key may be."""

    properties: int
    key_length: int = 63


class SpecModel(BaseModel):
    """A part of the API. Unknown fields are errors, values are frozen, names are camelCase in YAML."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        strict=False,
        protected_namespaces=(),
    )
    # CEL rules of this object, rendered into the CRD and, as far as they can be, repeated by the compiler.
    cel_rules: ClassVar[tuple[Rule, ...]] = ()

    def as_set(self) -> dict[str, Any]:
        """What the user set, as plain JSON with the API's names; fields that hold their default are absent.

        Writing a default out, `policy: {}` or `dependsOn: []` for example, gives the same as leaving it out.
        """
        found: dict[str, Any] = {}
        for one in _fields_of(type(self)):
            value = getattr(self, one.attribute)
            said = _json(value)
            if one.required or not one.is_default(value, said):
                found[one.name] = said
        return found


@dataclass(frozen=True)
class _Field:
    """What `as_set` has to know of a field."""

    attribute: str
    name: str  # in the API
    required: bool
    default: Any = None
    said: Any = None  # the default as plain JSON

    def is_default(self, value: Any, said: Any) -> bool:
        """Whether a value, and as JSON, is the default. A list is a tuple, but true is not 1."""
        return value is self.default or (
            (type(value) is bool) == (type(self.default) is bool) and said == self.said
        )


@cache
def _fields_of(model: type[SpecModel]) -> Sequence[_Field]:
    """The model's fields. Kept, for pydantic looks at how a default is made each time it is asked for one."""
    fields = []
    for attribute, info in model.model_fields.items():
        name = info.alias or attribute
        if info.is_required():
            fields.append(_Field(attribute, name, required=True))
        else:
            default = info.get_default(call_default_factory=True, validated_data={})
            fields.append(_Field(attribute, name, required=False, default=default, said=_json(default)))
    return fields


def _json(value: Any) -> Any:
    if isinstance(value, SpecModel):
        return value.as_set()
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return plain(value)
    if isinstance(value, Mapping):
        return {name: _json(one) for name, one in value.items()}
    if isinstance(value, Sequence):
        return [_json(one) for one in value]
    return plain(value)


# Words of CEL itself; a field of such a name is written otherwise there.
_CEL_WORDS = frozenset({"in", "as", "for", "if", "import", "let", "loop", "null", "package", "return", "var"})


def cel_name(field: str) -> str:
    """The field as CEL knows it."""
    return f"__{field}__" if field in _CEL_WORDS else field


def _present(fields: Sequence[str]) -> str:
    return ", ".join(f"has(self.{cel_name(field)})" for field in fields)


def at_least_one(*fields: str) -> Rule:
    """The rule that of `fields` (names as in YAML) one or more are set."""
    return Rule(
        f"[{_present(fields)}].exists(x, x)",
        f"set at least one of {', '.join(fields)}",
        holds=lambda data: any(one in data for one in fields),
    )


def at_most_one(*fields: str) -> Rule:
    """The rule that of `fields` (names as in YAML) at most one is set."""
    terms = _present(fields)
    return Rule(
        f"[{terms}].filter(x, x).size() <= 1", f"set at most one of {', '.join(fields)}", fields=fields
    )


def exactly_one(*fields: str) -> Rule:
    """The rule that of `fields` (names as in YAML) exactly one is set."""
    terms = _present(fields)
    return Rule(
        f"[{terms}].exists_one(x, x)", f"set exactly one of {', '.join(fields)}", fields=fields, least=1
    )


# Names of objects and steps (DNS-1035), and the shapes of strings that recur.
DNS_1035 = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
Name40 = Annotated[str, StringConstraints(pattern=DNS_1035, min_length=1, max_length=40)]
Name45 = Annotated[str, StringConstraints(pattern=DNS_1035, min_length=1, max_length=45)]
ObjectName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=63)
]
# Parameters, inputs, outputs, arguments: usable as a folder and, upper-cased, in an environment variable.
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", min_length=1, max_length=40)]
OutputRef = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?\.[a-z][a-z0-9_]*$", min_length=3, max_length=81),
]
Cpu = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]{1,3})?m?$", min_length=1, max_length=20)]
Memory = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]+(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?$", min_length=1, max_length=20),
]
ColumnName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=128)]
ImageRef = Annotated[
    str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$", min_length=1, max_length=512)
]
# A length of time: 90s, 5m, 12h, 180d. No sums, so that there is one way to write it.
Duration = Annotated[
    str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}(s|m|h|d)$", min_length=2, max_length=6)
]
_UNITS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(duration: str) -> int:
    """The seconds of a Duration. ValueError where the text is none."""
    number, unit = duration[:-1], duration[-1:]
    if unit not in _UNITS or not number.isdecimal():
        raise ValueError(f"{duration!r} is no duration: write a number and s, m, h or d, such as 5m")
    return int(number) * _UNITS[unit]


@dataclass(frozen=True)
class Between:
    """Bounds of a Duration, both allowed; stands behind it in Annotated."""

    least: str
    most: str

    def fits(self, duration: str) -> bool:
        """Whether a well-formed Duration lies within the bounds."""
        return seconds_of(self.least) <= seconds_of(duration) <= seconds_of(self.most)

    def rule(self) -> Rule:
        """The same in CEL, whose own durations know no days."""
        units = ", ".join(f"'{unit}': {seconds}" for unit, seconds in _UNITS.items())
        seconds = f"int(self.substring(0, size(self) - 1)) * {{{units}}}[self.substring(size(self) - 1)]"
        low, high = seconds_of(self.least), seconds_of(self.most)
        return Rule(f"{seconds} >= {low} && {seconds} <= {high}", f"must be from {self.least} to {self.most}")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Lets the models refuse what the schema refuses."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: str) -> str:
        if not self.fits(value):
            raise ValueError(f"must be from {self.least} to {self.most}")
        return value


Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", min_length=71, max_length=71)]
JsonMap = Annotated[Mapping[str, Any], AnyJson()]
# A declared parameter, or a built-in one, whose name none that is declared can have.
_PARAMETER = r"^([a-z][a-z0-9_]*|scheduledTime|triggeredBy)$"
ParameterRef = Annotated[
    str,
    StringConstraints(pattern=_PARAMETER, min_length=1, max_length=40),
]


class FromParameter(SpecModel):
    """A value taken from a pipeline parameter: of what must be known before any step has run."""

    parameter: ParameterRef = Field(
        description="Name of the parameter in spec.parameters whose value is used here; or scheduledTime, "
        "the time that the run is for, as in 2026-11-22T01:00:00Z; or triggeredBy, what a trigger saw: "
        "tumour-7, or a source's revision."
    )


# Repeated below every field that ends in From: few words, and lengths only where the pattern has none.
_Axis = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
_Parameter = Annotated[str, StringConstraints(pattern=_PARAMETER, max_length=40)]
_Result = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?\.[a-z][a-z0-9_]*$", max_length=81)
]


class FromValue(SpecModel):
    """A value taken from a parameter, from a step's result, or from the cell that the step is done for."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("parameter", "result", "cell"),)

    parameter: _Parameter | None = Field(
        default=None, description="Name in spec.parameters; or scheduledTime, triggeredBy."
    )
    result: _Result | None = Field(default=None, description="Result that a step declares: <step>.<result>.")
    cell: _Axis | None = Field(
        default=None, description="Axis of this step's matrix; number with forEach, iteration with repeat."
    )
