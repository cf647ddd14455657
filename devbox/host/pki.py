"""Certificates for one host: an authority of its own, the daemon's certificate, and those of its clients.

The profile is RFC 5280 as Python 3.13 checks it strictly (VERIFY_X509_STRICT): basicConstraints and keyUsage
critical, key identifiers everywhere. Keys are EC P-256. All moments are seconds since the epoch.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3652
LEAF_DAYS = 730
RENEW_DAYS = 30
"""Fewer days left than this: `init` and `renew` make new ones."""
BACKDATED = timedelta(minutes=10)
"""Clocks differ; a certificate that is not valid yet is as useless as an expired one."""


class Use(Enum):
    """What a leaf certificate is good for."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    cert: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Pair({fingerprint(self.cert)})"


def new_authority(host: str, now: float, other: float | None = None) -> Pair:
    """A certificate authority for one host, valid on both clocks where the `other` side's differs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"devbox authority for {host}")
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(key.public_key(), (now, other or now), AUTHORITY_DAYS)
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(own, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
    )
    return Pair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def issue(
    authority: Pair,
    use: Use,
    subject: str,
    now: float,
    names: Iterable[str] = (),
    other: float | None = None,
) -> Pair:
    """A leaf certificate; `names` are DNS names and addresses, `other` is the other side's clock."""
    issuer = x509.load_pem_x509_certificate(authority.cert)
    signer = serialization.load_pem_private_key(authority.key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if use is Use.SERVER else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(key.public_key(), (now, other or now), LEAF_DAYS)
        .subject_name(_name(subject))
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False
        )
    )
    if general := [_general_name(one) for one in dict.fromkeys(names)]:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    return Pair(_pem(builder.sign(signer, hashes.SHA256())), _key_pem(key))


def fingerprint(cert: bytes) -> str:
    """The certificate's SHA-256 in hex."""
    return x509.load_pem_x509_certificate(cert).fingerprint(hashes.SHA256()).hex()


def serial(cert: bytes) -> int:
    """The certificate's serial number."""
    return x509.load_pem_x509_certificate(cert).serial_number


def days_left(cert: bytes, now: float) -> float:
    """Days until it expires; negative when it has."""
    end = x509.load_pem_x509_certificate(cert).not_valid_after_utc
    return (end.timestamp() - now) / 86400


def early(cert: bytes, now: float) -> bool:
    """Whether it is not valid yet."""
    return x509.load_pem_x509_certificate(cert).not_valid_before_utc.timestamp() > now


def issued_by(cert: bytes, authority: bytes) -> bool:
    """Whether that authority signed it."""
    try:
        x509.load_pem_x509_certificate(cert).verify_directly_issued_by(
            x509.load_pem_x509_certificate(authority)
        )
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def names_of(cert: bytes) -> frozenset[str]:
    """The DNS names and addresses that a certificate is for."""
    extensions = x509.load_pem_x509_certificate(cert).extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(str(name.value) for name in names)


def normal_name(name: str) -> str:
    """A name as certificates hold it: addresses in their shortest form, names in lower case."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.lower())


def _builder(
    public: ec.EllipticCurvePublicKey, clocks: tuple[float, float], days: int
) -> x509.CertificateBuilder:
    early, late = (datetime.fromtimestamp(int(one), timezone.utc) for one in sorted(clocks))
    return (
        x509.CertificateBuilder()
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(early - BACKDATED)
        .not_valid_after(late + timedelta(days=days))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])  # RFC 5280: ub-common-name


def _pem(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
