"""Components of Spin as our `[component.NAME]`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from wisp.manifest import problems, templates
from wisp.manifest.spin import hosts, variables
from wisp.manifest.spin.models import Placement
from wisp.manifest.spin.variables import MissingError, Values
from wisp.manifest.toml import write_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wisp.manifest.positions import Path as KeyPath
    from wisp.manifest.spin.models import Build, Component, Source
    from wisp.manifest.spin.notes import Notebook

_OPTIONAL: Final = ("", "http://", "https://")
"""What an entry of `allowed_outbound_hosts` may be without meaning anything, when a variable is empty."""


@dataclass(frozen=True, slots=True)
class Context:
    """What all components of an application have in common."""

    values: Values
    notebook: Notebook
    serving: Sequence[str] = ()
    """The components that answer requests."""

    private: bool = True
    """Whether names may lead to private addresses."""

    names: Sequence[str] = field(default=())
    """Of all components."""


def component(path: KeyPath, one: Component, context: Context) -> dict[str, Any]:
    """Say a component in our words; its dependencies are for `dependencies`."""
    grants, link = _grants(path, one, context)
    made: dict[str, Any] = {
        "description": one.description,
        "source": source((*path, "source"), one.source, context.notebook),
        "build": build(one.build),
        "environment": one.environment,
        "grants": grants,
        "link": link,
    }
    for key in ("ai_models",):
        if getattr(one, key):
            context.notebook.no_equal((*path, key), "there are no models here; asking one is an error")
    for key in ("targets", "tool"):
        if getattr(one, key) is not None:
            context.notebook.no_equal((*path, key), "read by tools of Spin only")
    return {key: value for key, value in made.items() if value}


def source(path: KeyPath, one: Source, notebook: Notebook) -> Any:  # noqa: ANN401 - a value of TOML
    """Say where a component comes from."""
    if one.package is not None:
        message = (
            f"packages of a registry are not fetched yet; fetch {one.package}@{one.version} with `wkg get`, and name"
            " the file, or its url and digest"
        )
        notebook.refuse(path, message)
    return {"url": one.url, "digest": one.digest} if one.url is not None else one.path or "."


def build(one: Build | None) -> dict[str, Any]:
    """Say how a component is built. Several commands are one for the shell, which ends at the first that fails."""
    if one is None:
        return {}
    inside = (one.workdir or ".").rstrip("/")
    watch = [glob if inside == "." else f"{inside}/{glob}" for glob in one.watch]
    made = {"command": " && ".join(one.command), "workdir": one.workdir, "watch": watch}
    return {key: value for key, value in made.items() if value}


def _grants(path: KeyPath, one: Component, context: Context) -> tuple[dict[str, Any], dict[str, Any]]:
    granted = hosts.grant([], private=context.private)
    allowed = list(_allowed(path, one, context))
    granted = hosts.grant([entry for _, entry in allowed], private=context.private)
    for index, message in granted.notes:
        where = (*path, "allowed_outbound_hosts", allowed[index][0])
        (context.notebook.differs if "here it" in message else context.notebook.no_equal)(where, message)
    made = {
        "http": [*granted.http, *([hosts.OWN_APP] if granted.routes else [])],
        "sockets": list(dict.fromkeys(granted.sockets)),
        "files": _files(path, one, context.notebook),
        "keyvalue": _labels(one.key_value_stores),
        "sqlite": _labels(one.sqlite_databases),
        "config": _config(path, one, context),
    }
    return {key: value for key, value in made.items() if value}, _link(path, granted.chained, context)


def _labels(labels: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(label.lower() for label in labels))


def _allowed(path: KeyPath, one: Component, context: Context) -> Iterator[tuple[int, hosts.AllowedHost]]:
    notebook = context.notebook
    if one.allowed_http_hosts:
        message = f"Spin has replaced it; write allowed_outbound_hosts = {_new_form(one.allowed_http_hosts)}"
        notebook.refuse((*path, "allowed_http_hosts"), message, on_key=True)
    for index, text in enumerate(one.allowed_outbound_hosts):
        where = (*path, "allowed_outbound_hosts", index)
        try:
            entry = _filled(where, text, context)
            if entry not in _OPTIONAL or entry == text:
                yield index, hosts.parse(entry)
        except ValueError as error:
            notebook.refuse(where, str(error))
        except MissingError as error:
            variable = variables.environment_name(error.name)
            message = (
                f"the variable `{error.name}` has no value, and what is allowed is decided when the app is read; set"
                f" {variable}, or use --variable {error.name}=..."
            )
            notebook.refuse(where, message)


def _filled(path: KeyPath, text: str, context: Context) -> str:
    _check_names(text, context)
    if templates.names(text):
        context.notebook.differs(path, "variables in it are read once, when the app is read")
    return templates.fill(text, context.values)


def _check_names(text: str, context: Context) -> None:
    known = context.values.variables
    for name in templates.names(text):
        if name not in known:
            message = (
                f"there is no variable `{name}`; {problems.nearest(name, list(known), what='variables')}"
            )
            raise ValueError(message)


def _config(path: KeyPath, one: Component, context: Context) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, text in one.variables.items():
        try:
            _check_names(text, context)
            made[name] = variables.config(text)
        except ValueError as error:
            context.notebook.refuse((*path, "variables", name), str(error))
    return made


def _files(path: KeyPath, one: Component, notebook: Notebook) -> list[dict[str, Any]]:
    include: list[Any] = []
    for index, mount in enumerate(one.files):
        if isinstance(mount, Placement):
            include.append({"source": mount.source, "to": mount.destination.strip("/")})
        elif re.fullmatch(r"(.*/)?\.{1,2}", mount):
            message = 'a pattern cannot end with "." or ".."; name a folder with its `destination`, or end it with "**/*"'
            notebook.refuse((*path, "files", index), message)
        else:
            include.append(mount)
    if not include:
        return []
    exclude = {"exclude": list(one.exclude_files)} if one.exclude_files else {}
    return [{"mount": "/", "include": include, **exclude}]


def _link(path: KeyPath, chained: Sequence[str], context: Context) -> dict[str, Any]:
    link: dict[str, Any] = {}
    for name in chained:
        if name != "*" and name not in context.names:
            advice = problems.nearest(name, list(context.names), what="components")
            message = f"{name}.{hosts.CHAINED} leads nowhere: there is no such component; {advice}"
            context.notebook.refuse((*path, "allowed_outbound_hosts"), message)
            continue
        for component in context.serving if name == "*" else (name,):
            link[f"http://{component}.{hosts.CHAINED}"] = component
    return link


def _new_form(old: Sequence[str]) -> str:
    new: list[str] = []
    for host in old:
        if host == hosts.ALLOW_ALL:
            new.append("*://*:*")
        elif "://" in host:
            new.append(host)
        else:
            new += [f"http://{host}", f"https://{host}"] if ":" not in host else [f"*://{host}"]
    return write_value(new)
