"""ServiceAccount of a gateway's pods: an identity for clouds, never a token for the Kubernetes API."""

from gateway_operator import names
from gateway_operator.children.subject import Manifest, Subject
from gateway_operator.kube.resources import SERVICE_ACCOUNTS


def name_of(subject: Subject) -> str:
    """Of the ServiceAccount that the pods run under, whoever made it."""
    return subject.spec.pod_template.service_account_name or names.service_account(subject.name)


def wanted(subject: Subject) -> bool:
    """Not where the gateway names one that somebody else keeps."""
    return name_of(subject) == names.service_account(subject.name)


def service_account(subject: Subject) -> Manifest:
    return subject.manifest(
        SERVICE_ACCOUNTS, name=names.service_account(subject.name), automountServiceAccountToken=False
    )
