"""Makes a certificate authority of this run, and a certificate for each name. Its key is forgotten at once.

    python certificates.py FOLDER NAME...

Writes FOLDER/ca.pem, and FOLDER/NAME.pem and FOLDER/NAME.key for each name. `expired:NAME` stands for a certificate that was valid
until yesterday: FOLDER/NAME-expired.pem and FOLDER/NAME-expired.key.
"""

import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A run that goes on for longer is started anew.
LIFETIME = timedelta(days=30)


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(subject, key, issuer, issuer_key, extensions, age=timedelta(hours=1)):
    begin = datetime.now(timezone.utc) - age
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + LIFETIME)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def main():
    folder, *names = sys.argv[1:]
    folder = Path(folder)
    authority = "Certificate authority of this run"
    authority_key = ec.generate_private_key(ec.SECP256R1())
    signs = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    extensions = [(x509.BasicConstraints(ca=True, path_length=0), True), (signs, True)]
    authority_pem = certificate(authority, authority_key, authority, authority_key, extensions)
    (folder / "ca.pem").write_bytes(authority_pem)
    for each in names:
        expired, _, name = each.rpartition(":")
        path, age = (f"{name}-expired", LIFETIME + timedelta(days=1)) if expired else (name, timedelta(hours=1))
        key = ec.generate_private_key(ec.SECP256R1())
        extensions = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.SubjectAlternativeName([x509.DNSName(name)]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        ]
        signed = certificate(name, key, authority, authority_key, extensions, age)
        (folder / f"{path}.pem").write_bytes(signed)
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with open(folder / f"{path}.key", "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)


main()
