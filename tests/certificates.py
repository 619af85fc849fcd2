"""Certificates that a test makes for itself."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def serving(folder: Path, host: str, until: datetime = datetime(2099, 1, 1, tzinfo=UTC)) -> ssl.SSLContext:
    """Return a server context with a certificate for a host, which is in `chain.pem` of the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    # Of two certificates with one issuer, a client that trusts both would look at the wrong one.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{host} until {until:%Y}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, secret)
    return server


def trusting(folder: Path) -> ssl.SSLContext:
    """Return a client context that trusts the folder's certificate alone."""
    return ssl.create_default_context(cafile=str(folder / "chain.pem"))
