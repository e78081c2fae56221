"""References to other objects, and selectors of them."""

from typing import Annotated

from pydantic import Field

from gateway_operator.api.v1alpha1.base import Choice, Model, Rule, doc
from gateway_operator.api.v1alpha1.lists import ATOMIC, map_list, set_list
from gateway_operator.api.v1alpha1.scalars import DataKey, GatewayName, Label, LabelKey, LabelValue, Subdomain


class SecretKeyRef(Model):
    """One value of a Secret in the object's own namespace."""

    name: Annotated[
        Subdomain, doc("Name of the Secret, in the namespace of the object that refers to it.", example="anthropic")
    ]
    key: Annotated[DataKey, doc("The key of the Secret whose value is read.", example="api-key")]


class SecretRef(Model):
    """A Secret in the object's own namespace whose keys have fixed names."""

    name: Annotated[
        Subdomain, doc("Name of the Secret, in the namespace of the object that refers to it.", example="aws")
    ]
    key: Annotated[
        DataKey | None,
        doc(
            "Names one key where one value is wanted under another name than the fixed one. Default: the fixed keys.",
            example="key.json",
        ),
    ] = None


class CASource(Choice):
    CONFIG_MAP = "ConfigMap"
    SECRET = "Secret"  # noqa: S105  # a kind, no password


class CARef(Model):
    """PEM certificates in a ConfigMap or Secret of the object's own namespace."""

    kind: Annotated[CASource, doc("Kind of the object that holds the certificates.", example="ConfigMap")]
    name: Annotated[
        Subdomain, doc("Name of that object, in the namespace of the object that refers to it.", example="corp-ca")
    ]
    key: Annotated[DataKey, doc("The key whose value is one or more certificates in PEM form.", example="ca.crt")]


class GatewayRef(Model):
    """A GatewayDeployment."""

    name: Annotated[GatewayName, doc("Name of the GatewayDeployment.", example="corp")]
    namespace: Annotated[
        Label | None,
        doc(
            "Its namespace, where that gateway allows objects of this one. Default: the object's own.", example="claude"
        ),
    ] = None


GatewayRefs = Annotated[list[GatewayRef], Field(min_length=1, max_length=32), ATOMIC]


class BindingRef(Model):
    """A ProviderBinding."""

    name: Annotated[Subdomain, doc("Name of the ProviderBinding.", example="bedrock-eu")]
    namespace: Annotated[Label | None, doc("Its namespace. Default: the policy's own.", example="claude")] = None


class SelectorOperator(Choice):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class SelectorRequirement(Model):
    """A condition on one label."""

    key: Annotated[LabelKey, doc("The label's key.", example="team")]
    operator: Annotated[SelectorOperator, doc("How the label's value is compared with `values`.", example="In")]
    values: Annotated[
        list[LabelValue],
        doc(
            "The values that In and NotIn compare with; Exists and DoesNotExist take none. Default: none.",
            example=["platform"],
            max_length=64,
        ),
        set_list(),
    ] = []

    object_rules = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            message="In and NotIn need values, Exists and DoesNotExist take none",
            holds=lambda it: (it.operator in (SelectorOperator.IN, SelectorOperator.NOT_IN)) == bool(it.values),
            path=".values",
        ),
    )


class LabelSelector(Model):
    """Selects objects by their labels; all conditions must hold, and an empty selector takes every object."""

    match_labels: Annotated[
        dict[str, LabelValue],
        doc(
            "Labels and the values they must have. Default: no condition.", example={"claude": "allowed"}, max_length=32
        ),
    ] = {}
    match_expressions: Annotated[
        list[SelectorRequirement],
        doc("Further conditions. Default: none.", max_length=32),
        ATOMIC,
    ] = []


class FromNamespaces(Choice):
    SAME = "Same"
    ALL = "All"
    SELECTOR = "Selector"


class AllowedNamespaces(Model):
    """Namespaces whose objects may attach themselves."""

    from_: Annotated[
        FromNamespaces,
        doc(
            "Same: the gateway's own namespace only. All: every namespace. Selector: those whose labels "
            "`selector` takes.",
            example="Selector",
        ),
    ] = FromNamespaces.SAME
    selector: Annotated[
        LabelSelector | None,
        doc("Labels of the namespaces; with `from: Selector`, where it is required. Default: none."),
    ] = None

    object_rules = (
        Rule(
            cel="has(self.selector) == (self.from == 'Selector')",
            message="selector and from: Selector go together: add what is missing, or remove the other",
            holds=lambda it: (it.selector is not None) == (it.from_ == FromNamespaces.SELECTOR),
            path=".selector",
        ),
    )


class AllowedObjects(Model):
    """Which objects that refer to this gateway count."""

    namespaces: Annotated[AllowedNamespaces, doc("The namespaces they may lie in. Default: the gateway's own.")] = (
        AllowedNamespaces()
    )


class NamedRef(Model):
    """An object in the same namespace."""

    name: Annotated[Subdomain, doc("Name of the object.", example="registry")]


NamedRefs = Annotated[list[NamedRef], Field(max_length=16), map_list("name")]
