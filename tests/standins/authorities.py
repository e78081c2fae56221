"""Authorities as companies and clusters have them: not all are what RFC 5280 asks for."""

import datetime
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_WEEK: Final = datetime.timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Traits:
    """How the certificate of an authority is made, and those that it issues."""

    key_usage: bool = True
    key_identifiers: bool = True
    constraints_critical: bool = True
    is_authority: bool = True


KUBEADM: Final = Traits()
TRAITS: Final = {
    "of-kubeadm": KUBEADM,
    "no-key-identifiers": Traits(key_identifiers=False),
    "no-key-usage": Traits(key_usage=False),
    "constraints-not-critical": Traits(constraints_critical=False),
    "nothing-but-constraints": Traits(key_usage=False, key_identifiers=False, constraints_critical=False),
}


class Authority:
    """With an `issuer` it is an intermediate one."""

    def __init__(self, traits: Traits = KUBEADM, *, issuer: "Authority | None" = None) -> None:
        self._traits = traits
        self._intermediate = issuer is not None
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"authority {id(self)}")
        public = self._key.public_key()
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=traits.is_authority, path_length=None), traits.constraints_critical)
        ]
        if traits.key_usage:
            extensions.append((_usage(signs_certificates=traits.is_authority), True))
        if traits.key_identifiers:
            extensions.append((x509.SubjectKeyIdentifier.from_public_key(public), False))
        self._certificate = (issuer or self)._issue(self._name, public, extensions)

    @property
    def pem(self) -> str:
        """Its own certificate: what is trusted."""
        return _pem(self._certificate)

    def server(self, address: str = "127.0.0.1") -> ssl.SSLContext:
        """For a server at an IP address, which sends its certificate, and an intermediate authority's."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = self._issue(
            _name("server"),
            key.public_key(),
            [
                (x509.BasicConstraints(ca=False, path_length=None), True),
                (_usage(signs_certificates=False), True),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
                (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False),
            ],
        )
        chain = _pem(issued) + (self.pem if self._intermediate else "")
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "server.pem"
            file.write_text(secret + chain)
            context.load_cert_chain(file)
        return context

    def _issue(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, extensions: list[tuple[x509.ExtensionType, bool]]
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder(issuer_name=self._name, subject_name=name, public_key=key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _WEEK)
            .not_valid_after(now + _WEEK)
        )
        # Go, and so kubeadm, leaves it out where an authority signs itself
        if self._traits.key_identifiers and name != self._name:
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            builder = builder.add_extension(identifier, critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
