"""Folders of an app that is deployed: those that its components only read travel as one object each.

The object is a tar with nothing in it but names and contents, the same for the same files, as an app in a registry has
(`wisp.registry.oci.archives`). In the locked app that hosts get, the source of such a folder is the digest of that object. Folders that
are written to stay refused: each host would have another one, and what was written would be gone when the app moves.

The certificates that a component trusts for its requests (`roots`) travel in the same way, as a folder with one file. A certificate of its own does not: its key would be
readable in NATS.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wisp.errors import LatticeError, RegistryError
from wisp.lattice.running.foreign import Foreign
from wisp.manifest.digests import is_digest
from wisp.registry import files
from wisp.registry.oci import archives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from typing_extensions import Buffer

    from wisp.host.settings import JsonObject
    from wisp.lattice.running.remembered import Remembered
    from wisp.manifest.locked import LockedApp


ROOTS: Final = "roots.pem"
"""What the file with certificates is called in its folder."""


def digests(app: LockedApp) -> list[str]:
    """Return the objects that the folders of a locked app are, each once."""
    grants = [component.grants for component in app.components.values()]
    sources = [folder.source for one in grants for folder in one.files]
    roots = [target.roots for one in grants for target in one.http if target.roots]
    return list(dict.fromkeys((*sources, *roots)))


def foreign(app: LockedApp) -> Iterator[Foreign]:
    """Return the folders that are not objects, or that are written to."""
    for name, component in app.components.items():
        for number, folder in enumerate(component.grants.files):
            keys = ("grants", "files", number)
            if folder.write:
                message = (
                    f"component {name} writes to the folder {folder.mount}: each host would have another one, and what"
                    " was written would be gone when the app moves"
                )
                hint = "keep it in a store: `keyvalue`, `blobstore` or `sqlite`"
                yield Foreign(name, (*keys, "write"), message, hint)
            elif not is_digest(folder.source):
                message = f"component {name} has the folder {folder.mount}, which is one of a machine"
                yield Foreign(name, keys, message, "deploy the app again")
        for number, target in enumerate(component.grants.http):
            if target.roots and not is_digest(target.roots):
                message = (
                    f"component {name} trusts certificates in {target.roots}, which is a file of a machine"
                )
                yield Foreign(name, ("grants", "http", number, "roots"), message, "deploy the app again")


def pack(locked: Mapping[str, Any], folder: Path) -> tuple[JsonObject, dict[str, Callable[[], bytes]]]:
    """Make objects of the folders that a locked app's components read.

    Returns:
        The app with digests in place of folders, and how to make each object.

    Raises:
        LatticeError: a folder cannot be packed.

    """
    packed: dict[str, Callable[[], bytes]] = {}
    components = {}
    for name, component in locked["components"].items():
        grants = component["grants"]
        moved = [
            grant if grant["write"] else _packed(name, grant, folder, packed) for grant in grants["files"]
        ]
        trusting = [_trusting(name, target, folder, packed) for target in grants["http"]]
        components[name] = {**component, "grants": {**grants, "files": moved, "http": trusting}}
    return {**locked, "components": components}, packed


def _packed(
    component: str, grant: Mapping[str, Any], folder: Path, packed: dict[str, Callable[[], bytes]]
) -> JsonObject:
    try:
        digest = _object(archives.below(_inside(folder, str(grant["source"]))), packed)
    except (OSError, ValueError) as error:
        message = f"component {component}: the files for {grant['mount']} cannot be deployed: {error}"
        raise LatticeError(message) from error
    return {**grant, "source": digest, "include": [], "exclude": []}


def _trusting(
    component: str, target: Mapping[str, Any], folder: Path, packed: dict[str, Callable[[], bytes]]
) -> Mapping[str, Any]:
    if not target["roots"]:
        return target
    try:
        return {**target, "roots": _object({ROOTS: folder / target["roots"]}, packed)}
    except OSError as error:
        message = f"component {component}: the certificates for {target['text']} cannot be deployed: {error}"
        raise LatticeError(message) from error


def _object(found: Mapping[str, Path], packed: dict[str, Callable[[], bytes]]) -> str:
    """Say how an object of these files is made, and return its digest. Raises OSError."""
    sum_ = _Sum()
    archives.pack(found, sum_)
    packed[sum_.digest] = functools.partial(_tar, found)
    return sum_.digest


def _tar(found: Mapping[str, Path]) -> bytes:
    stream = io.BytesIO()
    archives.pack(found, stream)
    return stream.getvalue()


class _Sum(io.BytesIO):
    """Takes what is written for its digest, and keeps nothing of it: a folder may be larger than the memory."""

    def __init__(self) -> None:
        super().__init__()
        self._hash = hashlib.sha256()
        self._written = 0

    def write(self, content: Buffer, /) -> int:
        self._hash.update(content)
        count = memoryview(content).nbytes
        self._written += count
        return count

    def tell(self) -> int:
        return self._written

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _inside(folder: Path, source: str) -> Path:
    if Path(source).is_absolute() or ".." in Path(source).parts:
        message = f'"{source}" leads out of the folder of the manifest'
        raise ValueError(message)
    if not (folder / source).is_dir():
        message = f'there is no folder "{source}"'
        raise ValueError(message)
    return folder / source


async def unpack(content: bytes, digest: str, remembered: Remembered) -> None:
    """Have a folder on this host, packed for others and unpacked for components. Raises LatticeError, ArtifactError."""
    await asyncio.to_thread(_unpack, content, digest, remembered)


def _unpack(content: bytes, digest: str, remembered: Remembered) -> None:
    tar, place = remembered.packed_path(digest), remembered.unpacked_path(digest)
    files.write(tar, content)
    beside = files.temporary(place)
    try:
        archives.unpack(tar, beside, f"the folder {digest}")
        with files.explained(place):
            beside.rename(place)
    except RegistryError as error:
        raise LatticeError(error.message) from error
    except OSError as error:
        raise files.trouble(place, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def placed(locked: Mapping[str, Any], remembered: Remembered) -> JsonObject:
    """Return a locked app with the folders of this host in place of digests."""
    return {
        **locked,
        "components": {
            name: {**component, "grants": _on_host(component["grants"], remembered)}
            for name, component in locked["components"].items()
        },
    }


def _on_host(grants: Mapping[str, Any], remembered: Remembered) -> JsonObject:
    def place(digest: str) -> Path:
        return remembered.unpacked_path(digest)

    files_ = [{**grant, "source": str(place(grant["source"]))} for grant in grants["files"]]
    http = [
        {**target, "roots": str(place(target["roots"]) / ROOTS)} if target["roots"] else target
        for target in grants["http"]
    ]
    return {**grants, "files": files_, "http": http}
