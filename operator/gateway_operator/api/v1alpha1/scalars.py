"""Strings and numbers with a form: durations, names, decimals, quantities."""

import re
from typing import Annotated, Any, Final

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from gateway_operator.api.v1alpha1.base import Rule

DURATION_PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
LABEL_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
DATA_KEY_PATTERN: Final = r"^[-._a-zA-Z0-9]+$"
VISIBLE_PATTERN: Final = r"^[!-~]+$"
DECIMAL_PATTERN: Final = r"^[0-9]{1,9}(\.[0-9]{1,6})?$"
QUANTITY_PATTERN: Final = r"^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
PERCENT_PATTERN: Final = r"^(100|[1-9]?[0-9])%$"
DOMAIN_PATTERN: Final = r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)+$"
EMAIL_PATTERN: Final = r"^[^@ ]+@[^@ ]+$"
REGION_PATTERN: Final = r"^[a-z][-a-z0-9]*$"
ROLE_ARN_PATTERN: Final = r"^(arn:aws[-a-z]*:iam::[0-9]{12}:role/[-+=,.@_/A-Za-z0-9]+)?$"
LABEL_KEY_PATTERN: Final = r"^([-a-z0-9.]{1,253}/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE_PATTERN: Final = r"^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$"
IMAGE_PATTERN: Final = r"^[A-Za-z0-9][-._/:@A-Za-z0-9]*$"
ENV_NAME_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"
BETA_PATTERN: Final = r"^[!-+\--~]+$"
FOUNDRY_RESOURCE_PATTERN: Final = r"^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)?$"
GOOGLE_ACCOUNT_PATTERN: Final = r"^([^@ ]+@[^@ ]+)?$"
ENTRA_TENANT_PATTERN: Final = r"^[-.A-Za-z0-9]+$"
FIELD_PATH_PATTERN: Final = r"^((\*\*\.)?[A-Za-z0-9_-]+\.)?[A-Za-z0-9_-]+$"

PATTERNS: Final[dict[str, str]] = {
    DURATION_PATTERN: "must be a duration such as 30s, 10m or 720h; the largest unit is h",
    LABEL_PATTERN: "must be lower-case letters, digits and '-', beginning and ending with a letter or digit",
    SUBDOMAIN_PATTERN: "must be lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit",
    DATA_KEY_PATTERN: "must be letters, digits, '-', '_' and '.'",
    VISIBLE_PATTERN: "must be ASCII characters without spaces",
    DECIMAL_PATTERN: 'must be a decimal number such as "2.50", with at most 9 digits before the point and 6 behind it',
    QUANTITY_PATTERN: "must be a quantity such as 500m, 2 or 256Mi",
    PERCENT_PATTERN: "must be a whole number or a percentage such as 25%",
    DOMAIN_PATTERN: "must be a domain such as corp.example, without '@'",
    EMAIL_PATTERN: "must be an email address",
    REGION_PATTERN: "must be lower-case letters, digits and '-', such as eu-central-1",
    ROLE_ARN_PATTERN: "must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/claude",
    LABEL_KEY_PATTERN: "must be a label key such as team or corp.example/team",
    LABEL_VALUE_PATTERN: "must be letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
    IMAGE_PATTERN: "must be an image reference such as registry.example/claude-gateway-proxy:1.2.3",
    BETA_PATTERN: "must be the name of one beta, without spaces and commas, such as fast-mode-2026-02-01",
    FOUNDRY_RESOURCE_PATTERN: "must be a resource's name such as corp-eu, not its address, which goes into baseURL",
    GOOGLE_ACCOUNT_PATTERN: "must be a service account's email, such as claude@corp-ml.iam.gserviceaccount.com",
    ENTRA_TENANT_PATTERN: "must be a tenant's id, such as 72f988bf-86f1-41af-91ab-2d7cd011db47, or its domain",
    FIELD_PATH_PATTERN: "must be a path such as name, name.member or **.name.member",
    ENV_NAME_PATTERN: "must be the name of an environment variable: letters, digits and '_'",
}
"""What each pattern asks for, in words."""


class Duration(str):
    """A span of time in Go's form, without days: `30s`, `10m`, `1h30m`."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        return sum(int(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(pattern=DURATION_PATTERN, max_length=32, strict=True)
        return core_schema.no_info_after_validator_function(cls, text)


_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"([0-9]+)(ms|h|m|s)")


def between(low: str, high: str) -> Rule:
    """Bounds of a duration, both included."""
    least, most = Duration(low).seconds, Duration(high).seconds
    return Rule(
        # The pattern is asked first: text that is no duration would end the expression with an error of its own.
        cel=(
            f"!self.matches(r'{DURATION_PATTERN}') || (duration(self) >= duration('{low}') && duration(self) "
            f"<= duration('{high}'))"
        ),
        message=f"must be at least {low} and at most {high}",
        holds=lambda value: least <= value.seconds <= most,
    )


class IntOrString:
    """Metadata of a value that is a whole number or a string of a form: quantities and percentages."""

    def __init__(self, *, pattern: str, minimum: int = 0, maximum: int = 2**31 - 1) -> None:
        self.pattern = pattern
        self.minimum = minimum
        self.maximum = maximum

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.int_schema(strict=True, ge=self.minimum, le=self.maximum)
        text = core_schema.str_schema(strict=True, pattern=self.pattern, max_length=32)
        choices: dict[str, CoreSchema] = {"number": number, "text": text}
        return core_schema.tagged_union_schema(
            choices,
            lambda value: "text" if isinstance(value, str) else "number",
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "x-kubernetes-int-or-string": True,
            "pattern": self.pattern,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "maxLength": 32,
        }


Quantity = Annotated[int | str, IntOrString(pattern=QUANTITY_PATTERN, maximum=2**53)]
"""A Kubernetes quantity, never negative."""
IntOrPercent = Annotated[int | str, IntOrString(pattern=PERCENT_PATTERN, maximum=100_000)]

GatewayName = Annotated[str, Field(min_length=1, max_length=52, pattern=LABEL_PATTERN)]
Label = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_PATTERN)]
"""A DNS label: namespaces, and names of entries inside our lists."""
Subdomain = Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN)]
"""Names of most Kubernetes objects."""
DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=DATA_KEY_PATTERN)]
"""A key of a Secret's or ConfigMap's data."""
ModelName = Annotated[str, Field(min_length=1, max_length=256, pattern=VISIBLE_PATTERN)]
Decimal = Annotated[str, Field(min_length=1, max_length=16, pattern=DECIMAL_PATTERN)]
"""A decimal number as a string: a number in JSON would lose digits on the way."""
Domain = Annotated[str, Field(min_length=3, max_length=253, pattern=DOMAIN_PATTERN)]
Email = Annotated[str, Field(min_length=3, max_length=320, pattern=EMAIL_PATTERN)]
Region = Annotated[str, Field(min_length=1, max_length=64, pattern=REGION_PATTERN)]
RoleARN = Annotated[str, Field(max_length=2048, pattern=ROLE_ARN_PATTERN)]
LabelKey = Annotated[str, Field(min_length=1, max_length=317, pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_VALUE_PATTERN)]
Image = Annotated[str, Field(min_length=1, max_length=512, pattern=IMAGE_PATTERN)]
EnvName = Annotated[str, Field(min_length=1, max_length=128, pattern=ENV_NAME_PATTERN)]
Word = Annotated[str, Field(min_length=1, max_length=256)]
"""Any short text that is not empty: names of groups, claims, tags."""
Opaque = Annotated[str, Field(min_length=1, max_length=256, pattern=VISIBLE_PATTERN)]
"""An identifier that another system made."""
