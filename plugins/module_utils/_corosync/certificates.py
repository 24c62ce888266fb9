# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The certificates of a quorum device: what a node has, how it asks for one, how the host of the device signs it.

Every node makes its own key, which never leaves it, and asks for a certificate in the name of the cluster:
corosync-qnetd looks at nothing but that name and the signature.
"""

from __future__ import annotations

import base64
import binascii
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import Run

AUTHORITY = "QNet CA"
CLUSTER = "Cluster Cert"
# The object identifier of a common name, then the type of the text, its length (one byte: names are short), the text.
_COMMON_NAME = re.compile(rb"\x06\x03\x55\x04\x03[\x0c\x13\x14\x16\x1e](.)", re.DOTALL)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


class CertificateError(ValueError):
    """Something about a certificate that does not work. The message says what and what to do."""


def common_names(der: bytes) -> list[str]:
    """The common names in a certificate (issuer before subject) or a request (subject)."""
    found = []
    for match in _COMMON_NAME.finditer(der):
        start = match.end()
        found.append(der[start : start + match[1][0]].decode("utf-8", "replace"))
    return found


def decode(text: str) -> bytes:
    """The certificate in a text that has other things around it, as corosync-qnetd-certutil writes it.

    Raises:
        CertificateError: there is none.
    """
    match = _PEM.search(text)
    try:
        return base64.b64decode("".join((match[1] if match else text).split()), validate=True)
    except binascii.Error as problem:
        raise CertificateError(f"this is no certificate in base64: {problem}") from problem


@dataclass(frozen=True)
class Node:
    """The certificates of a node.

    Attributes:
        run: how to run programs.
        base: the directory of corosync-qdevice.
    """

    run: Run
    base: Path = Path("/etc/corosync/qdevice/net")

    @property
    def database(self) -> Path:
        return self.base / "nssdb"

    def _do(self, *argv: str) -> str:
        answer = self.run(argv)
        if not answer.ok:
            raise CertificateError(f"{' '.join(argv)}: {answer.reason}")
        return answer.stdout

    def _has(self, name: str) -> bytes | None:
        answer = self.run(["certutil", "-L", "-d", str(self.database), "-n", name, "-a"])
        return decode(answer.stdout) if answer.ok else None

    def missing(self, cluster: str, authority: bytes | None) -> str:
        """Why this node needs a new certificate, or an empty text.

        Args:
            cluster: name of the cluster.
            authority: the certificate that has to have signed it, or None when that cannot be asked for.
        """
        if not (self.database / "cert9.db").exists():
            return "there is no database"
        known = self._has(AUTHORITY)
        if known is None or authority not in (known, None):
            return "it trusts another authority"
        certificate = self._has(CLUSTER)
        if certificate is None:
            return "there is no certificate"
        if common_names(certificate)[-1:] != [cluster]:
            return f"the certificate is in the name of {', '.join(common_names(certificate)[-1:])}"
        database = str(self.database)
        # Asked for one by its name, certutil 3.110 fails; a key without a certificate is listed as an orphan.
        keys = self.run(["certutil", "-K", "-d", database, "-f", f"{database}/pwdfile.txt"])
        if not keys.ok or CLUSTER not in keys.stdout:
            return "there is no key for the certificate"
        # u C: valid now, in a chain that ends at the authority, for the client side of TLS.
        if not self.run(["certutil", "-V", "-d", database, "-n", CLUSTER, "-u", "C"]).ok:
            return "the certificate is not valid"
        return ""

    def request(self, cluster: str, authority: bytes) -> bytes:
        """Start anew with a key, and return the request for its certificate.

        Raises:
            CertificateError: a program failed.
        """
        if self.database.exists():
            shutil.rmtree(self.database)
        self.base.mkdir(parents=True, exist_ok=True)
        given = self.base / "qnetd-cacert.crt"
        given.write_bytes(authority)
        self._do("corosync-qdevice-net-certutil", "-i", "-c", str(given))
        self._do("corosync-qdevice-net-certutil", "-r", "-n", cluster)
        return (self.database / "qdevice-net-node.crq").read_bytes()

    def accept(self, certificate: bytes) -> None:
        """Take the certificate for the key that was made last.

        Raises:
            CertificateError: a program failed.
        """
        given = self.database / "cluster.crt"
        given.write_bytes(certificate)
        self._do("corosync-qdevice-net-certutil", "-M", "-c", str(given))
        # A second copy of the key, for nodes that share one.
        (self.database / "qdevice-net-node.p12").unlink()


def sign(run: Run, cluster: str, request: bytes, directory: Path, database: Path) -> bytes:
    """Have a request signed on the host of the quorum device.

    Args:
        run: how to run programs.
        cluster: name of the cluster.
        request: what a node asks for.
        directory: for files in between, which nobody else reads.
        database: of corosync-qnetd.

    Raises:
        CertificateError: the request is not for this cluster, or a program failed.
    """
    if common_names(request) != [cluster]:
        raise CertificateError(f"request: is for {common_names(request)}, not for {cluster!r}. Nothing was signed.")
    given = directory / "node.crq"
    given.write_bytes(request)
    argv: Sequence[str] = ["corosync-qnetd-certutil", "-s", "-c", str(given), "-n", cluster]
    answer = run(argv)
    signed = database / f"cluster-{cluster}.crt"
    # The program's own status is that of its last message, so the certificate itself is looked at.
    if not answer.ok or not signed.exists():
        raise CertificateError(f"{' '.join(argv)}: {answer.reason}")
    certificate = signed.read_bytes()
    signed.unlink()
    return certificate
