"""Conditions (KEP-1623): what a resource's status says, in the same words for every kind."""

from typing import Annotated, Any, Final

from pydantic import Field

from gateway_operator.api.v1alpha1.base import Choice, Model, doc
from gateway_operator.api.v1alpha1.lists import map_list


class ConditionType(Choice):
    """The first four are there from first sight on, and each says something good."""

    ACCEPTED = "Accepted"
    """The object itself is sound."""
    RESOLVED_REFS = "ResolvedRefs"
    """Everything that it refers to exists and may be used."""
    PROGRAMMED = "Programmed"
    """Every ready proxy pod has loaded a revision that contains this generation of the object."""
    READY = "Ready"
    """The summary of the other three."""
    METRIC_UNAVAILABLE = "MetricUnavailable"
    """There only while it is True, on a gateway whose autoscaler cannot read a metric that it scales by."""


STANDING: Final = (ConditionType.ACCEPTED, ConditionType.RESOLVED_REFS, ConditionType.PROGRAMMED, ConditionType.READY)
"""The conditions that are always there."""


class ConditionStatus(Choice):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(Choice):
    """Reasons that this version gives. They are stable: scripts may compare them."""

    PENDING = "Pending"
    """Not looked at yet."""
    ACCEPTED = "Accepted"
    ACCEPTED_WITH_WARNINGS = "AcceptedWithWarnings"
    """Sound, but with a field that this version does not act on."""
    INVALID = "Invalid"
    """A field breaks the schema or a rule."""
    NOT_IMPLEMENTED = "NotImplemented"
    """A warning: a field is accepted and not acted on."""
    STORE_REQUIRED = "StoreRequired"
    """Sign-ins, spend limits and a stored audit log need a store."""
    POLICY_INVALID = "PolicyInvalid"
    """The policy could not be compiled; the callers whom it matches are denied."""
    RESOLVED_REFS = "ResolvedRefs"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105  # a reason, no password
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    SECRET_KEY_NOT_FOUND = "SecretKeyNotFound"  # noqa: S105
    CONFIG_MAP_KEY_NOT_FOUND = "ConfigMapKeyNotFound"
    SECRET_INVALID = "SecretInvalid"  # noqa: S105
    """The value cannot be what it is used as."""
    SECRET_NOT_ALLOWED = "SecretNotAllowed"  # noqa: S105
    """A Secret of a type that may not be referred to, such as a service-account token."""
    SECRET_HOST_NOT_ALLOWED = "SecretHostNotAllowed"  # noqa: S105
    """The Secret's annotation claude-gateway.dev/hosts does not name the host that its value would be sent to."""
    CERTIFICATE_INVALID = "CertificateInvalid"
    GATEWAY_NOT_FOUND = "GatewayNotFound"
    BINDING_NOT_FOUND = "BindingNotFound"
    NOT_ALLOWED_BY_GATEWAY = "NotAllowedByGateway"
    """The gateway's allowedBindings or allowedPolicies do not take objects of this namespace."""
    ADDRESS_REFUSED = "AddressRefused"
    """A URL leads to an address that no pod connects to: a metadata service, link-local, loopback."""
    PLAIN_HTTP = "PlainHTTP"
    """A warning: a credential would go to a public host unencrypted."""
    POD_IDENTITY_NOT_ALLOWED = "PodIdentityNotAllowed"
    """A binding of another namespace would send what the pods' identity gets to an address of its own."""
    BASE_URL_INCOMPLETE = "BaseURLIncomplete"
    """A warning: a base URL at one of the provider's own hosts lacks the path that every request there needs."""
    REGION_UNKNOWN = "RegionUnknown"
    """A warning: no region that is known has the words of this one."""
    REGION_NOT_OFFERED = "RegionNotOffered"
    """A warning: the provider serves no Claude in this partition of its cloud."""
    ROLE_OF_ANOTHER_PARTITION = "RoleOfAnotherPartition"
    """A warning: the role's ARN is of another partition of AWS than the region, where it cannot be assumed."""
    MODEL_OF_ANOTHER_REGION = "ModelOfAnotherRegion"
    """A warning: a model's ARN is of another region or partition of AWS than the one where it is asked for."""
    EXPOSURE_UNAVAILABLE = "ExposureUnavailable"
    """The cluster does not have the kind of object that `exposure.type` asks for."""
    NAME_TAKEN = "NameTaken"
    """An object that is not the operator's has the name of one of the gateway's own; it is left alone."""
    CONFIG_TOO_LARGE = "ConfigTooLarge"
    """The compiled configuration does not fit into its Secrets; the last one that did stays in force."""
    SIGNING_KEYS_INVALID = "SigningKeysInvalid"
    """The Secret of the session signing keys cannot be read; it is left alone, and the last configuration stays."""
    CHILD_REFUSED = "ChildRefused"
    """The API server refuses an object that the gateway needs, such as for a quota or an admission rule."""
    CHILD_TERMINATING = "ChildTerminating"
    """An object that the gateway needs was deleted, and a finalizer keeps it from going; it is made anew afterwards."""
    ISSUER_NOT_UNIQUE = "IssuerNotUnique"
    """Two workloads have one issuer and audience; the later one is left out."""
    NO_IDENTITY_PROVIDERS = "NoIdentityProviders"
    """A warning: adminGroups are groups of people who sign in, and the gateway has no identity provider."""
    IDENTITY_PROVIDER_UNKNOWN = "IdentityProviderUnknown"
    """A warning: the policy matches an identity provider that the gateway does not have."""
    WORKLOAD_UNKNOWN = "WorkloadUnknown"
    """A warning: the policy matches a workload that the gateway does not have."""
    SINGLE_POD = "SinglePod"
    """A warning: an Embedded store belongs to one pod: the gateway does not scale, and a rollout interrupts it."""
    EVERY_PROXY_TRUSTED = "EveryProxyTrusted"
    """A warning: every sender is believed what it says of the client's address."""
    CLIENT_ADDRESSES_HIDDEN = "ClientAddressesHidden"
    """A warning: a rule on addresses, and a proxy before the gateway whose word on them is not trusted."""
    NO_BINDINGS = "NoBindings"
    """A warning: the gateway has no binding that can serve, so every request fails."""
    NO_POLICIES = "NoPolicies"
    """A warning: the gateway has no policy, so every caller is denied."""
    NO_MODELS = "NoModels"
    """A warning: the binding serves no model."""
    MODEL_UNKNOWN = "ModelUnknown"
    """No model of the gateway has this name; it grants nothing."""
    MODEL_DUPLICATE = "ModelDuplicate"
    """Two entries mean the same model."""
    FILTER_UNKNOWN = "FilterUnknown"
    """A warning: requestFilters.keep names a filter that is not built in."""
    MODEL_NOT_SERVED = "ModelNotServed"
    """A warning: the policy grants a model that none of its bindings serves."""
    BINDING_LEFT_OUT = "BindingLeftOut"
    """A warning: the policy names a binding that is broken or not acted on; it grants nothing."""
    SEVERAL_BASE_POLICIES = "SeveralBasePolicies"
    """A warning: several policies have no matches; they merge in the order of their age."""
    EMPTY_MATCHES = "EmptyMatches"
    """A warning: the policy writes `matches: []`, which makes it the base layer; it speaks of every caller."""
    SAME_PRIORITY = "SamePriority"
    """A warning: policies of one priority are ordered by age, which a restore from a backup may change."""
    KEY_INVALID = "KeyInvalid"
    """The Secret of a developer or admin key lacks a value or holds one that cannot be read; the key is left out."""
    KEY_NOT_UNIQUE = "KeyNotUnique"
    """Two Secrets hold one key; both are left out, because the caller would be ambiguous."""
    KEY_WITHOUT_EXPIRY = "KeyWithoutExpiry"
    KEY_LIFETIME_TOO_LONG = "KeyLifetimeTooLong"
    GROUP_NOT_ALLOWED = "GroupNotAllowed"
    """A developer key claims a group outside identity.developerKeys.allowedGroups; the key is left out."""
    DEVELOPER_KEYS_DISABLED = "DeveloperKeysDisabled"
    PROGRAMMED = "Programmed"
    REFS_NOT_RESOLVED = "RefsNotResolved"
    """Not programmed because a reference is not resolved."""
    NO_READY_PODS = "NoReadyPods"
    NOT_ACCEPTED = "NotAccepted"
    """Not programmed because this generation is not accepted."""
    GATEWAY_NOT_ACCEPTED = "GatewayNotAccepted"
    """Not programmed because the gateway itself cannot be compiled; what its pods have stays in force."""
    NOT_WRITTEN = "NotWritten"
    """Not programmed because no configuration in the cluster holds this generation yet."""
    PODS_BEHIND = "PodsBehind"
    """A ready pod has not loaded a revision that holds this generation, or does not say."""
    PODS_NOT_READY = "PodsNotReady"
    """Fewer pods are ready than the gateway should have."""
    METRIC_UNAVAILABLE = "MetricUnavailable"
    """No metrics adapter serves what the autoscaler scales by, so it scales by other metrics only, or not at all."""
    READY = "Ready"


class Condition(Model):
    """One aspect of an object's state."""

    type: Annotated[ConditionType, doc("The aspect.", example="Programmed")]
    status: Annotated[ConditionStatus, doc("Whether it holds; Unknown until it has been looked at.", example="True")]
    reason: Annotated[
        str,
        doc(
            "Why, as one stable CamelCase word.",
            example="SecretNotFound",
            min_length=1,
            max_length=128,
            pattern=r"^[A-Z][A-Za-z0-9]*$",
        ),
    ]
    message: Annotated[
        str,
        doc(
            "Why, for people: the field's path, what is wrong and the way out.",
            example="spec.anthropic.apiKeySecretRef: Secret claude/anthropic does not exist",
            max_length=32768,
        ),
    ] = ""
    last_transition_time: Annotated[
        str,
        doc(
            "When the status last changed.",
            example="2027-01-31T12:00:00Z",
            max_length=64,
            json_schema_extra={"format": "date-time"},
        ),
    ]
    observed_generation: Annotated[
        int | None,
        doc("The generation of the object that the condition speaks of.", example=4, ge=0),
    ] = None


Conditions = Annotated[list[Condition], Field(max_length=8), map_list("type")]

UNKNOWN_CONDITIONS: Final[tuple[dict[str, Any], ...]] = tuple(
    {
        "type": str(kind),
        "status": "Unknown",
        "reason": "Pending",
        "message": "Waiting for the operator",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }
    for kind in STANDING
)
"""What the API server puts into an object's status before anybody has looked at it: tools take an object without
status as current."""
