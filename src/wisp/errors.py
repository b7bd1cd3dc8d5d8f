"""Every exception that wisp raises on purpose.

The tree::

    WispError                  something the user can act upon; the command line prints it without a traceback
    ├── ManifestError          wisp.toml, or a file that belongs to it, is wrong
    ├── BuildError             a component's sources do not build
    │   └── ToolchainError     the tools that would build them are missing or too old
    ├── ComponentError         a file is not the component that was expected
    ├── WitError               an interface description is wrong, or something does not fit it
    ├── ArtifactError          the cache has not, or must not have, the component or its compiled form
    ├── RegistryError          a registry cannot be reached, refuses, or gave what it must not
    ├── SignatureError         a key cannot be used, or an artifact is not signed by whom it must be
    ├── HostError              the host cannot run or serve: port in use, worker does not start
    ├── LatticeError           the lattice cannot be reached, or cannot do what was asked of it
    ├── StoreError             a store of an app cannot be read, or what was written out cannot become one
    ├── LinkError              a component's imports are not given, or not as it wants them
    ├── TypeMismatch           a value is not of its WIT type (also a TypeError)
    ├── GuestError             a function answered with the error of its WIT result
    └── CallError              a call ended its instance, which cannot be called again
        ├── Trap               the guest trapped: a fault of its own, or an exception of an import
        ├── Timeout            it took longer than its limit
        ├── MemoryLimit        it wanted more memory than its limit
        └── InstanceClosed     the instance had ended before the call

Each carries its subject as attributes, so that a program need not parse the message. The extension module raises
some with nothing but a message; that is why every subject may be absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "ArtifactError",
    "BuildError",
    "CallError",
    "ComponentError",
    "GuestError",
    "HostError",
    "InstanceClosed",
    "LatticeError",
    "LinkError",
    "ManifestError",
    "MemoryLimit",
    "RegistryError",
    "SignatureError",
    "StoreError",
    "Timeout",
    "ToolchainError",
    "Trap",
    "TypeMismatch",
    "WispError",
    "WitError",
]


class WispError(Exception):
    """The root of the tree.

    Args:
        message: What is wrong, in the user's words and without a full stop when it is one sentence.
        hint: How to mend it, when we know.

    """

    exit_code: int = 1
    """What a command that ends with this error gives to the shell."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ManifestError(WispError):
    """The manifest, or a file that belongs to it, is wrong.

    Args:
        path: The file.
        line: The line in it, from 1.
        column: The column in that line, from 1.
        key: The dotted path of the value, for example ``component.rust.limits.memory``.

    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        path: Path | None = None,
        line: int | None = None,
        column: int | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.line = line
        self.column = column
        self.key = key


class BuildError(WispError):
    """A component's sources do not build.

    Args:
        component: The component's name in the manifest.
        file: The source file that the tool complained about first.
        line: The line in it, from 1.
        output: What the tool printed, for those who want all of it.

    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        component: str | None = None,
        file: Path | None = None,
        line: int | None = None,
        output: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.component = component
        self.file = file
        self.line = line
        self.output = output


class ToolchainError(BuildError):
    """A tool that a build needs is missing, or too old.

    Args:
        tool: The tool's name.
        install: The command or the page that brings it; it is the hint when there is no other.

    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        component: str | None = None,
        tool: str | None = None,
        install: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint or install, component=component)
        self.tool = tool
        self.install = install


class ComponentError(WispError):
    """A file is not the component that was expected: not wasm, a core module, no HTTP export.

    Args:
        component: The component's name in the manifest.
        path: The file.

    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        component: str | None = None,
        path: Path | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.component = component
        self.path = path


class WitError(WispError):
    """An interface description (WIT) is wrong, or something does not fit it.

    Args:
        path: The file.
        line: The line in it, from 1.
        column: The column in that line, from 1.

    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        path: Path | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.line = line
        self.column = column


class ArtifactError(WispError):
    """The cache has not, or must not have, a component or its compiled form.

    Args:
        digest: The component's digest, ``sha256:<64 hex>``.
        path: The file that could not be read or written.

    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        digest: str | None = None,
        path: Path | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.digest = digest
        self.path = path


class RegistryError(WispError):
    """A registry cannot be reached, refuses, or gave what it must not.

    Args:
        reference: What it was asked for, such as ``ghcr.io/acme/auth:1.2``.
        status: The HTTP status that it answered with.

    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        reference: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.reference = reference
        self.status = status


class SignatureError(WispError):
    """A key cannot be used, or an artifact is not signed by whom it must be.

    Args:
        reference: What must be signed, such as ``ghcr.io/acme/shop:1.2``.

    """

    def __init__(self, message: str, *, hint: str | None = None, reference: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reference = reference


class HostError(WispError):
    """The host cannot run or serve.

    Args:
        address: The address that could not be listened on.
        kind: The worker's word for what failed: ``listener``, ``tls``, ``protocol``, ``internal``, ...

    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        address: str | None = None,
        kind: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.address = address
        self.kind = kind


class LatticeError(WispError):
    """The lattice cannot be reached, or cannot do what was asked of it."""


class StoreError(WispError):
    """A store of an app cannot be read, or what was written out cannot become one."""


class LinkError(WispError):
    """A component's imports are not all given, or not of the type that it wants.

    Args:
        interface: The import that is at fault.

    """

    def __init__(self, message: str, *, hint: str | None = None, interface: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.interface = interface


class TypeMismatch(WispError, TypeError):  # noqa: N818 - the word of the component model
    """A value is not of its WIT type; the message says where, in WIT's names. The instance goes on."""


class GuestError(WispError):
    """A function answered with the error of its WIT ``result``. The instance goes on.

    A function of Python that answers an import raises it to answer so.

    Args:
        value: What the error carries; None when its type carries nothing.
        function: The function's name in WIT.

    """

    def __init__(self, value: object = None, function: str | None = None) -> None:
        said = "an error" if value is None else str(value)
        super().__init__(f"{function} answered: {said}" if function else said)
        self.value = value
        self.function = function


class CallError(WispError):
    """A call, or an instantiation, did not end well; the instance is gone.

    Args:
        stderr: The end of what the guest wrote to its standard error.

    """

    def __init__(self, message: str, *, hint: str | None = None, stderr: str = "") -> None:
        super().__init__(message, hint=hint)
        self.stderr = stderr


class Trap(CallError):  # noqa: N818 - the word of WebAssembly
    """The guest trapped. When a function of Python raised, that exception is the ``__cause__``.

    Args:
        backtrace: The functions of the guest that were being executed, innermost first; may be empty.
        stderr: The end of what the guest wrote to its standard error.

    """

    def __init__(
        self, message: str, *, hint: str | None = None, stderr: str = "", backtrace: str = ""
    ) -> None:
        super().__init__(message, hint=hint, stderr=stderr)
        self.backtrace = backtrace

    def __str__(self) -> str:
        parts = [self.message, self.backtrace]
        if self.stderr:
            parts.append(f"the guest's standard error ends with:\n{self.stderr}")
        return "\n".join(part for part in parts if part)


class Timeout(CallError):  # noqa: N818 - says it all
    """A call took longer than the limit of its instance."""


class MemoryLimit(CallError):  # noqa: N818 - says it all
    """The guest wanted more memory than the limit of its instance, and did not survive that."""


class InstanceClosed(CallError):  # noqa: N818 - says it all
    """The instance had ended: it was closed, or an earlier call ended it."""
