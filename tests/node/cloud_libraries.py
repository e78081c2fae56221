"""Runs inside of the proxy's image: what bindings of the clouds need of their libraries is there. Asks no network."""

import importlib
import pkgutil

import azure.identity.aio
import botocore.auth
import botocore.credentials
import botocore.session
import google.auth.aws
import google.auth.compute_engine
import google.auth.identity_pool
import google.auth.impersonated_credentials
from botocore.awsrequest import AWSRequest
from google.oauth2 import service_account

import gateway_proxy

STS = {
    "us-east-1": "https://sts.us-east-1.amazonaws.com",
    "eu-central-1": "https://sts.eu-central-1.amazonaws.com",
    "us-gov-west-1": "https://sts.us-gov-west-1.amazonaws.com",
    "cn-north-1": "https://sts.cn-north-1.amazonaws.com.cn",
}

for module in pkgutil.walk_packages(gateway_proxy.__path__, "gateway_proxy."):
    importlib.import_module(module.name)

# AWS: the chain of credentials, role assumption in every partition, a signature
session = botocore.session.Session()
session.set_credentials("key", "secret")
chain = {provider.METHOD for provider in session.get_component("credential_provider").providers}
assert chain >= {"assume-role", "assume-role-with-web-identity", "container-role"}, chain
for region, endpoint in STS.items():
    client = session.create_client("sts", region_name=region)
    assert client.meta.endpoint_url == endpoint, client.meta.endpoint_url
    assert client.meta.service_model.operation_model("AssumeRoleWithWebIdentity")
request = AWSRequest(method="POST", url="https://bedrock-runtime.us-east-1.amazonaws.com/model/a/invoke", data=b"{}")
botocore.auth.SigV4Auth(session.get_credentials(), "bedrock", "us-east-1").add_auth(request)
assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")

# Google Cloud: key files, the metadata server, federation and impersonation
google_kinds = (
    service_account.Credentials,
    google.auth.compute_engine.Credentials,
    google.auth.identity_pool.Credentials,
    google.auth.aws.Credentials,
    google.auth.impersonated_credentials.Credentials,
)
assert all(isinstance(kind, type) for kind in google_kinds)

# Microsoft Entra: both kinds
azure.identity.aio.ClientSecretCredential("tenant", "client", "secret")
azure.identity.ClientSecretCredential("tenant", "client", "secret")
azure.identity.WorkloadIdentityCredential(tenant_id="tenant", client_id="client", token_file_path="/token")

print("all there")  # noqa: T201
