"""The authority of a lattice of tests, which gives hosts certificates."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """One authority, in a folder."""

    def __init__(self, folder: Path, days: int = 2, variables: Mapping[str, str] | None = None) -> None:
        """Make it; what it signs is good for so many days, by the clock of a program with these variables."""
        self._folder = folder
        self._days = str(days)
        self._variables = {**os.environ, **(variables or {})}
        folder.mkdir(parents=True)
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._openssl(
            *("req", "-x509", *KEY, "-days", self._days, "-subj", "/CN=lattice", *usage),
            *("-keyout", folder / "ca.key", "-out", folder / "ca.pem"),
        )

    def certify(self, host: str, lattice: str, folder: Path) -> None:
        """Write the identity of a host into its folder, in place of one that is there."""
        folder.mkdir(parents=True, exist_ok=True)
        request, extensions = self._folder / f"{host}.csr", self._folder / f"{host}.ext"
        key, certificate = self._folder / f"{host}.key", self._folder / f"{host}.pem"
        extensions.write_text(
            f"subjectAltName=DNS:{host}.{lattice}.wisp.internal\nextendedKeyUsage=serverAuth,clientAuth\n"
        )
        self._openssl("req", "-new", *KEY, "-subj", f"/CN={host}", "-keyout", key, "-out", request)
        self._openssl(
            *(
                "x509",
                "-req",
                "-in",
                request,
                "-CA",
                self._folder / "ca.pem",
                "-CAkey",
                self._folder / "ca.key",
            ),
            *("-CAcreateserial", "-days", self._days, "-extfile", extensions, "-out", certificate),
        )
        (folder / "ca.pem").write_bytes((self._folder / "ca.pem").read_bytes())
        shutil.move(key, folder / "host.key")
        shutil.move(certificate, folder / "host.pem")

    def _openssl(self, *words: str | Path) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, env=self._variables)
