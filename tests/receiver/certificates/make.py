"""Make the certificates of this folder again, by the library cryptography. They are for tests on loopback only.

Their keys are public, so nothing may trust the CA.
"""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FOLDER = Path(__file__).parent
START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)


def make(
    name: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None, end: datetime.datetime = END
) -> tuple[x509.Name, ec.EllipticCurvePrivateKey]:
    """Write a certificate and its key; without an issuer it is a CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"cfdns-fast test {name}")])
    issuer_name, issuer_key = issuer or (subject, key)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    (FOLDER / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    write_key(f"{name}.key", key, serialization.NoEncryption())
    return subject, key


def write_key(name: str, key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> None:
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (FOLDER / name).write_bytes(key.private_bytes(pem, form, encryption))


if __name__ == "__main__":
    ca = make("ca", None)
    _, server_key = make("server", ca)
    make("other", ca)
    make("expired", ca, datetime.datetime(2021, 2, 3, 4, 5, 6, tzinfo=datetime.UTC))
    make("client", ca)
    write_key("encrypted.key", server_key, serialization.BestAvailableEncryption(b"password"))
