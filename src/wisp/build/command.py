"""The manifest's own build command: a builder for whatever the languages' builders do not know, or do otherwise."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.build import inputs, languages, process
from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wisp.build.builder import BuildRequest, Pin, Report, Tool

SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True)
class CommandBuilder:
    """Runs a command for the shell, and takes the component that it makes."""

    command: str
    product: str | None
    """The file that it makes, from the folder; the newest `.wasm` file when not given."""

    workdir: str
    """Where it runs, from the folder."""

    watch: tuple[str, ...]
    """Globs of the files that decide its output."""

    @property
    def language(self) -> str:
        """What `wisp build` shows in place of a language."""
        return "command"

    def detect(self, folder: Path) -> bool:
        """Whether it fits: always, because the manifest says so."""
        return True

    def tools(self, folder: Path | None) -> Sequence[Tool]:
        """Return nothing: what a command needs is its own business."""
        return ()

    def inputs(self, folder: Path) -> Sequence[Path]:
        """Return the files that the manifest names, else those of the language, else all."""
        if self.watch:
            return inputs.matching(folder, self.watch)
        known = languages.detect(folder)
        return inputs.source_files(folder) if known is None else known.inputs(folder)

    def fingerprint(self, folder: Path) -> str:
        """Return what else decides the output."""
        return "\0".join((self.command, self.product or "", self.workdir))

    def build(self, request: BuildRequest, report: Report) -> Sequence[Pin]:
        """Run the command."""
        report(f"{request.component}: {self.command}")
        folder = request.folder / self.workdir
        if not folder.is_dir():
            message = f"the build command's folder does not exist: {folder}"
            raise BuildError(message, component=request.component, file=folder)
        environment = process.tool_environment(WISP_OUTPUT=str(request.output))
        output = process.run([SHELL, "-c", self.command], folder=folder, environment=environment)
        if output.code != 0:
            message = f"the build command failed with exit code {output.code}: {self.command}"
            raise BuildError(message, component=request.component, output=output.text)
        if not request.output.exists():
            shutil.copyfile(self._product(request), request.output)
        return ()

    def _product(self, request: BuildRequest) -> Path:
        if self.product is not None:
            path = request.folder / self.product
            if path.is_file():
                return path
            message = f"the build command did not make {self.product}"
            raise BuildError(message, component=request.component, file=path)
        found = [path for path in request.folder.rglob("*.wasm") if path.is_file()]
        if not found:
            message = "the build command made no .wasm file"
            hint = "name the file it makes with `output` in the component's `build`"
            raise BuildError(message, component=request.component, file=request.folder, hint=hint)
        return max(found, key=lambda path: path.stat().st_mtime_ns)
