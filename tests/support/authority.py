"""A certificate authority of our own, and the key that signs ServiceAccount tokens.

Both belong to the test, so a test can put a proxy that is trusted in front of the
API server, distrust it, or sign a token that expired an hour ago.
"""

import time
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

NAMES = ("127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc")


class Authority:
    """A CA in `folder`: `ca_file`, and a `certificate_file` with key and chain for loopback."""

    def __init__(self, folder: Path) -> None:
        ca = trustme.CA()
        leaf = ca.issue_cert(*NAMES)
        self.ca_file = folder / "ca.crt"
        self.certificate_file = folder / "server.pem"
        self.key_file = folder / "server.key"
        ca.cert_pem.write_to_path(str(self.ca_file))
        leaf.private_key_pem.write_to_path(str(self.key_file))
        for number, part in enumerate(leaf.cert_chain_pems):
            part.write_to_path(str(self.certificate_file), append=number > 0)


class AccountKey:
    """The key pair behind ServiceAccount tokens, RSA as clusters have it."""

    def __init__(self, folder: Path, issuer: str) -> None:
        self.issuer = issuer
        self.private_file = folder / "accounts.key"
        self.public_file = folder / "accounts.pub"
        self.private_file.write_bytes(self._private_pem)
        self.public_file.write_bytes(
            self._key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def _private_pem(self) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with exactly these claims."""
        return jwt.encode(claims, self._private_pem, algorithm="RS256")

    def claims(self, namespace: str, name: str, uid: str, seconds: float) -> dict[str, Any]:
        """What the API server would write for this account; negative `seconds`: expired."""
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": [self.issuer],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "iat": now - 3600,
            "nbf": now - 3600,
            "exp": now + int(seconds),
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": name, "uid": uid},
            },
        }
