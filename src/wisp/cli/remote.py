"""Serving an app of an OCI registry: `wisp up ghcr.io/acme/shop:1.2`.

What was pulled stays below the user's state folder, by digest, beside the stores of the app, which outlive its versions:

    ${XDG_STATE_HOME:-~/.local/state}/wisp/ghcr.io/acme/shop/apps/<digest>/
    ${XDG_STATE_HOME:-~/.local/state}/wisp/ghcr.io/acme/shop/state/

A tag is looked up whenever the app is prepared, at the start and at a reload. A digest that was pulled needs no registry. Whether its
signatures are enough is asked every time: a policy may have changed.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wisp.cli.pull import app_into, component_into
from wisp.cli.registries import accessible, gate
from wisp.errors import ManifestError
from wisp.manifest import load
from wisp.registry.cache import hex_of
from wisp.registry.oci import apps, components

if TYPE_CHECKING:
    from collections.abc import Callable

    from wisp.cli.prepared import PrepareOptions
    from wisp.manifest.references import Reference
    from wisp.registry.oci.client import Client, Found


@dataclass(frozen=True, slots=True)
class RemoteApp:
    """An app of a registry, on this machine."""

    path: Path
    """What takes the place of the reference on the command line."""

    state: Path
    """Where its stores are, unless somebody says otherwise."""

    reference: Reference
    """With the digest that the tag meant."""


async def fetched(reference: Reference, options: PrepareOptions, report: Callable[[str], None]) -> RemoteApp:
    """Return an app of a registry, which is on this machine afterwards.

    Raises:
        WispError: it cannot be had, or cannot be served like this.

    """
    home = _home(reference)
    admitting = gate(options)
    path = _place(home, reference.digest) if reference.digest is not None else None
    admitted = path is not None and (not admitting.asks(reference) or admitting.known(reference) is not None)
    digest = reference.digest or ""
    if path is None or not admitted or not path.exists():
        async with accessible(options, report) as client:
            report(f"pulling {reference}")
            found = await components.image(client, reference, admitting)
            digest, path = found.digest, _place(home, found.digest)
            if not path.exists():
                await _pull(client, found, path)
    await asyncio.to_thread(_require_nothing_written, path, reference)
    return RemoteApp(await asyncio.to_thread(_served, path), home / "state", reference.at(digest))


async def _pull(client: Client, found: Found, place: Path) -> None:
    if apps.is_app(found):
        await app_into(client, found, place)
        return
    await asyncio.to_thread(lambda: place.parent.mkdir(parents=True, exist_ok=True))
    beside = place.with_name(f".{place.name}")
    await asyncio.to_thread(lambda: beside.mkdir(exist_ok=True))
    await component_into(client, found, beside)
    await asyncio.to_thread(beside.rename, place)


def _served(place: Path) -> Path:
    """Return the folder of an app, or the file of a component."""
    alone = list(place.glob("*.wasm"))
    return alone[0] if alone and not (place / "wisp.toml").exists() else place


def _require_nothing_written(place: Path, reference: Reference) -> None:
    """Refuse an app that writes into folders beside its manifest: the next version would not find them."""
    manifest = load.load(place)
    written = [
        grant.source
        for component in (manifest.component.values() if manifest else ())
        for grant in component.grants.files
        if grant.write
    ]
    if written:
        message = f"{reference} writes to its folder {written[0]}, which has no place on this machine yet"
        raise ManifestError(message, hint=f"`wisp pull {reference} -o FOLDER`, then `wisp up FOLDER`")


def _home(reference: Reference) -> Path:
    shared = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    above = Path(shared) if shared.startswith("/") else Path.home() / ".local" / "state"
    return above / "wisp" / reference.registry / reference.repository


def _place(home: Path, digest: str) -> Path:
    return home / "apps" / hex_of(digest)
