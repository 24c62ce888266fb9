# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What is read out of certificates. The programs themselves are tested on live nodes: tests/cluster/test_qdevice.py."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._corosync.certificates import (
    AUTHORITY,
    CLUSTER,
    CertificateError,
    Node,
    common_names,
    decode,
    sign,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import Answer


def der(*names: str) -> bytes:
    """As much of a certificate as is looked at: the common names of issuer and subject."""
    return b"\x30\x82" + b"".join(b"\x06\x03\x55\x04\x03\x13" + bytes([len(n)]) + n.encode() + b"\x30" for n in names)


def pem(content: bytes) -> str:
    body = base64.encodebytes(content).decode()
    return f"Certificate:\n  Data\n-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("names", [[], ["edge"], ["QNet CA", "edge"], ["QNet CA", "a-b_c.d"]])
def test_common_names(names: list[str]) -> None:
    assert common_names(der(*names)) == names


def test_a_certificate_with_text_around_it_and_in_plain_base64() -> None:
    content = der("QNet CA", "edge")
    assert decode(pem(content)) == decode(base64.b64encode(content).decode()) == content
    with pytest.raises(CertificateError):
        decode("no certificate!")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node of the cluster edge, with everything in order; tests take something away."""
    (tmp_path / "nssdb").mkdir()
    (tmp_path / "nssdb" / "cert9.db").touch()
    shown = {AUTHORITY: der("QNet CA", "QNet CA"), CLUSTER: der("QNet CA", "edge")}

    def run(argv: Sequence[str]) -> Answer:
        if argv[1] == "-L":
            return Answer(0, pem(shown[argv[argv.index("-n") + 1]]))
        return Answer(0, f"NSS Certificate DB:{CLUSTER}")

    return Node(run, tmp_path)


def without(node: Node, *words: str) -> Node:
    """The same where the command with these words fails."""
    return Node(lambda argv: Answer(255) if set(words) <= set(argv) else node.run(argv), node.base)


def test_what_fits_is_kept(node: Node) -> None:
    assert node.missing("edge", der("QNet CA", "QNet CA")) == ""
    assert node.missing("edge", None) == ""


def test_why_another_is_needed(node: Node, tmp_path: Path) -> None:
    assert "in the name of edge" in node.missing("branch", None)
    assert "another authority" in node.missing("edge", der("QNet CA", "other"))
    assert "no certificate" in without(node, "-L", CLUSTER).missing("edge", None)
    assert "no key" in without(node, "-K").missing("edge", None)
    assert "not valid" in without(node, "-V").missing("edge", None)
    (tmp_path / "nssdb" / "cert9.db").unlink()
    assert "no database" in node.missing("edge", None)


def test_a_request_in_another_name_is_not_signed(tmp_path: Path) -> None:
    ran: list[Sequence[str]] = []

    def run(argv: Sequence[str]) -> Answer:
        ran.append(argv)
        return Answer(0)

    with pytest.raises(CertificateError, match="Nothing was signed"):
        sign(run, "edge", der("branch"), tmp_path, tmp_path)
    assert not ran
    with pytest.raises(CertificateError):
        sign(run, "edge", der("edge"), tmp_path, tmp_path)
    assert ran
