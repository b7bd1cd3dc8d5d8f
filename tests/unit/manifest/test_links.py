"""Who answers whom, and what is said when nobody does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wisp.errors import ManifestError
from wisp.manifest import links
from wisp.manifest.load import loads
from wisp.native import Interfaces

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.manifest.models import Manifest

PROCESSOR = "cyber:packets/data-processor@0.2.0"
FORMAT = "cyber:text/format@0.1.0"
HTTP = "wasi:http/incoming-handler@0.2.6"


def sides(*imports: str, exports: tuple[str, ...] = (), plain: tuple[str, ...] = ()) -> Interfaces:
    return Interfaces(imports=(*imports, *plain), needed=frozenset(imports), exports=exports)


FOUND = {
    "gateway": sides(PROCESSOR, "wasi:io/streams@0.2.6", exports=(HTTP,)),
    "processor": sides(FORMAT, exports=(PROCESSOR,)),
    "format": sides(exports=(FORMAT,)),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def app(folder: Path, **tables: str) -> Manifest:
    """Write and read an app of components that all lie in one folder; each gets what is written for it."""
    text = 'app.name = "cyber"\n[[http]]\nroute = "/..."\ncomponent = "gateway"\n'
    for name in ("gateway", "processor", "format"):
        text += f'[component.{name}]\nsource = "."\n{tables.get(name, "")}\n'
    path = folder / "wisp.toml"
    path.write_text(text, encoding="utf-8")
    return loads(text, path=path)


def complaint(manifest: Manifest, found: dict[str, Interfaces]) -> str:
    with pytest.raises(ManifestError) as caught:
        links.resolve(manifest, found)
    return str(caught.value)


GATEWAY = f'link."{PROCESSOR}" = "processor"'
LINKED = f'link."{FORMAT}" = "format"'


def test_links_are_fused_where_nothing_speaks_against_it(folder: Path) -> None:
    plan = links.resolve(app(folder, gateway=GATEWAY, processor=LINKED), FOUND)

    assert {name: [link.mode for link in made] for name, made in plan.links.items()} == {
        "gateway": ["fused"],
        "processor": ["fused"],
    }
    assert list(plan.groups) == ["gateway"]
    assert list(plan.groups["gateway"].parts) == ["gateway", "processor", "format"]
    assert plan.groups["gateway"].carried == {}


def test_a_component_with_an_environment_of_its_own_is_bridged_and_run_by_the_host(folder: Path) -> None:
    manifest = app(folder, gateway=GATEWAY, processor=f'{LINKED}\nenvironment.KEY = "secret"')

    plan = links.resolve(manifest, FOUND)

    assert plan.links["gateway"][0].mode == "bridged"
    assert plan.links["gateway"][0].reason == "it has an environment that its caller has not"
    assert list(plan.groups) == ["gateway", "processor"]
    assert [link.component for link in plan.groups["gateway"].carried.values()] == ["processor"]
    assert list(plan.groups["processor"].parts) == ["processor", "format"]


def test_components_with_the_same_environment_are_fused(folder: Path) -> None:
    same = 'environment.KEY = "shared"'
    manifest = app(folder, gateway=f"{GATEWAY}\n{same}", processor=f"{LINKED}\n{same}")

    plan = links.resolve(manifest, FOUND)

    assert plan.links["gateway"][0].mode == "fused"


def test_fusing_what_must_not_be_fused_is_an_error_that_says_why(folder: Path) -> None:
    written = f'link."{PROCESSOR}" = {{ component = "processor", mode = "fused" }}'
    manifest = app(folder, gateway=written, processor=f'{LINKED}\nenvironment.KEY = "secret"')

    said = complaint(manifest, FOUND)

    assert said.startswith(f'wisp.toml:7:79: component.gateway.link."{PROCESSOR}".mode: ')
    assert "processor cannot be fused into gateway: it has an environment that its caller has not" in said


def test_a_link_that_is_written_as_bridged_is_bridged_from_inside_a_fused_group(folder: Path) -> None:
    bridged = f'link."{FORMAT}" = {{ component = "format", mode = "bridged" }}'

    plan = links.resolve(app(folder, gateway=GATEWAY, processor=bridged), FOUND)

    assert list(plan.groups) == ["gateway", "format"]
    assert [link.component for link in plan.groups["gateway"].carried.values()] == ["format"]


def test_an_import_that_nothing_answers_names_the_line_that_would_link_it(folder: Path) -> None:
    said = complaint(app(folder, gateway=GATEWAY), FOUND)

    assert f'processor imports {FORMAT}, which nothing answers; write `"{FORMAT}" = "format"`' in said
    assert "in [component.processor.link]" in said


def test_an_import_that_several_could_answer_says_so(folder: Path) -> None:
    found = {**FOUND, "gateway": sides(PROCESSOR, exports=(HTTP, FORMAT))}

    said = complaint(app(folder, gateway=GATEWAY), found)

    assert "it could be linked to any of gateway, format; say to which" in said


def test_a_link_for_what_is_not_imported_proposes_the_nearest_import(folder: Path) -> None:
    manifest = app(folder, gateway='link."cyber:packets/data-procesor@0.2.0" = "processor"', processor=LINKED)

    said = complaint(manifest, FOUND)

    assert "wisp.toml:7:" in said
    assert f"gateway does not import it; did you mean {PROCESSOR}?" in said


def test_a_provider_with_another_version_says_which_it_has(folder: Path) -> None:
    found = {**FOUND, "processor": sides(FORMAT, exports=("cyber:packets/data-processor@0.1.0",))}

    said = complaint(app(folder, gateway=GATEWAY, processor=LINKED), found)

    assert (
        "processor does not export it in this version: it exports cyber:packets/data-processor@0.1.0" in said
    )


def test_a_provider_without_the_interface_lists_what_it_has(folder: Path) -> None:
    found = {**FOUND, "processor": sides(FORMAT, exports=(HTTP,))}

    said = complaint(app(folder, gateway=GATEWAY, processor=LINKED), found)

    assert "processor does not export it; it has no exports that could be linked" in said


def test_interfaces_whose_types_a_linked_one_uses_go_along(folder: Path) -> None:
    shapes = "cyber:packets/shapes@0.2.0"
    found = {
        **FOUND,
        "gateway": sides(PROCESSOR, shapes, plain=("cyber:packets/names@0.2.0",), exports=(HTTP,)),
        "processor": sides(FORMAT, exports=(PROCESSOR, shapes)),
    }

    plan = links.resolve(app(folder, gateway=GATEWAY, processor=LINKED), found)

    followed = plan.links["gateway"][1]
    assert (followed.interface, followed.component, followed.follows) == (shapes, "processor", PROCESSOR)


def test_two_bridged_links_of_one_group_cannot_have_one_interface(folder: Path) -> None:
    both = f'{GATEWAY}\nlink."{FORMAT}" = {{ component = "format", mode = "bridged" }}'
    other = (
        f'link."{FORMAT}" = {{ component = "second", mode = "bridged" }}\n[component.second]\nsource = "."'
    )
    found = {
        **FOUND,
        "gateway": sides(PROCESSOR, FORMAT, exports=(HTTP,)),
        "second": sides(exports=(FORMAT,)),
    }

    said = complaint(app(folder, gateway=both, processor=other), found)

    assert "processor is fused into gateway with gateway, whose bridged link of the same interface" in said


SENDS = "wasi:http/outgoing-handler@0.2.6"
ADDRESS = 'link."http://texts.internal" = "format"'
WITH_HTTP = {
    "gateway": sides(PROCESSOR, plain=(SENDS,), exports=(HTTP,)),
    "processor": sides(plain=(SENDS,), exports=(PROCESSOR,)),
    "format": sides(exports=(HTTP,)),
}


def test_a_link_of_an_address_is_carried_by_the_host_whatever_its_name(folder: Path) -> None:
    plan = links.resolve(app(folder, gateway=f"{GATEWAY}\n{ADDRESS}"), WITH_HTTP)

    assert [link.mode for link in plan.links["gateway"]] == ["fused", "bridged"]
    assert list(plan.groups) == ["gateway", "format"]
    assert plan.groups["gateway"].carried["http://texts.internal"].component == "format"


def test_who_may_send_requests_where_its_caller_may_not_is_not_fused_into_it(folder: Path) -> None:
    plan = links.resolve(app(folder, gateway=GATEWAY, processor=ADDRESS), WITH_HTTP)

    assert plan.links["gateway"][0].mode == "bridged"
    assert plan.links["gateway"][0].reason == "it may send requests where its caller may not"


def test_both_are_fused_where_both_may_send_the_same_requests(folder: Path) -> None:
    manifest = app(folder, gateway=f"{GATEWAY}\n{ADDRESS}", processor=ADDRESS)

    assert links.resolve(manifest, WITH_HTTP).links["gateway"][0].mode == "fused"


def test_who_has_less_than_its_caller_but_not_nothing_is_not_fused_into_it(folder: Path) -> None:
    key = 'environment.KEY = "shared"'
    manifest = app(folder, gateway=f"{GATEWAY}\n{ADDRESS}\n{key}", processor=key)

    [first, *_] = links.resolve(manifest, WITH_HTTP).links["gateway"]

    assert (first.mode, first.reason) == ("bridged", "its caller was granted more than it")


GRANTED = {
    "http": 'grants.http = ["https://api.example.com"]',
    "sockets": 'grants.sockets = ["tcp://db.example.com:5432"]',
    "environment": 'grants.environment = ["TZ"]',
    "files": 'grants.files = [{ source = ".", mount = "/data" }]',
    "keyvalue": 'grants.keyvalue = ["default"]',
    "blobstore": 'grants.blobstore = ["images"]',
    "sqlite": 'grants.sqlite = ["default"]',
    "messaging": 'grants.messaging = ["orders"]',
    "config": 'grants.config = { token = { secret = "TOKEN" } }',
}


@pytest.mark.parametrize("kind", GRANTED)
def test_who_was_granted_what_its_caller_was_not_is_not_fused_into_it(folder: Path, kind: str) -> None:
    manifest = app(folder, gateway=GATEWAY, processor=f"{LINKED}\n{GRANTED[kind]}")

    [link] = links.resolve(manifest, FOUND).links["gateway"]

    assert (link.mode, link.reason) == ("bridged", f"it was granted {kind} that its caller was not")


@pytest.mark.parametrize("kind", GRANTED)
def test_who_was_granted_nothing_is_fused_whatever_its_caller_may(folder: Path, kind: str) -> None:
    manifest = app(folder, gateway=f"{GATEWAY}\n{GRANTED[kind]}", processor=LINKED)

    assert links.resolve(manifest, FOUND).links["gateway"][0].mode == "fused"


@pytest.mark.parametrize("kind", GRANTED)
def test_who_was_granted_just_what_its_caller_was_is_fused_into_it(folder: Path, kind: str) -> None:
    manifest = app(folder, gateway=f"{GATEWAY}\n{GRANTED[kind]}", processor=f"{LINKED}\n{GRANTED[kind]}")

    assert links.resolve(manifest, FOUND).links["gateway"][0].mode == "fused"


@pytest.mark.parametrize(
    ("caller", "callee", "reason"),
    [
        (
            'grants.keyvalue = ["a", "b"]',
            'grants.keyvalue = ["a"]',
            "it was granted keyvalue that its caller was not",
        ),
        (
            'grants.config = { token = { secret = "A" } }',
            'grants.config = { token = { secret = "B" } }',
            "it was granted config that its caller was not",
        ),
        (
            'grants.files = [{ source = ".", mount = "/data" }]',
            'grants.files = [{ source = ".", mount = "/data", write = true }]',
            "it was granted files that its caller was not",
        ),
        (
            'grants.http = ["https://api.example.com"]\ngrants.keyvalue = ["a"]',
            'grants.keyvalue = ["a"]',
            "its caller was granted more than it",
        ),
    ],
)
def test_grants_that_differ_in_any_way_keep_components_apart(
    folder: Path, caller: str, callee: str, reason: str
) -> None:
    manifest = app(folder, gateway=f"{GATEWAY}\n{caller}", processor=f"{LINKED}\n{callee}")

    [link] = links.resolve(manifest, FOUND).links["gateway"]

    assert (link.mode, link.reason) == ("bridged", reason)


def test_fusing_what_was_granted_something_else_is_an_error_that_names_it(folder: Path) -> None:
    written = f'link."{PROCESSOR}" = {{ component = "processor", mode = "fused" }}'
    manifest = app(folder, gateway=written, processor=f"{LINKED}\n{GRANTED['keyvalue']}")

    said = complaint(manifest, FOUND)

    assert "processor cannot be fused into gateway: it was granted keyvalue that its caller was not" in said


@pytest.mark.parametrize(
    ("changed", "written", "said"),
    [
        ({"format": sides()}, ADDRESS, "format answers no requests: it does not export wasi:http"),
        (
            {"gateway": sides(PROCESSOR, exports=(HTTP,))},
            ADDRESS,
            "gateway sends no requests: it does not import wasi:http",
        ),
        (
            {},
            'link."http://texts.internal" = { component = "format", mode = "fused" }',
            "they cannot be fused",
        ),
    ],
)
def test_a_link_of_an_address_that_cannot_work_says_why(
    folder: Path, changed: dict[str, Interfaces], written: str, said: str
) -> None:
    manifest = app(folder, gateway=f"{GATEWAY}\n{written}")

    assert said in complaint(manifest, {**WITH_HTTP, **changed})


@pytest.mark.parametrize(
    ("offered", "fits"),
    [
        ("a:b/c@0.2.0", True),
        ("a:b/c@0.2.7", True),
        ("a:b/c@0.3.0", False),
        ("a:b/c@1.2.0", False),
        ("a:b/d@0.2.0", False),
        ("a:b/c", False),
        ("a:b/c@0.2.0-rc.1", False),
    ],
)
def test_versions_of_one_track_fit(offered: str, *, fits: bool) -> None:
    assert links.compatible("a:b/c@0.2.0", offered) is fits


def test_versions_before_0_1_fit_only_themselves() -> None:
    assert links.compatible("a:b/c@0.0.3", "a:b/c@0.0.3")
    assert not links.compatible("a:b/c@0.0.3", "a:b/c@0.0.4")


def test_a_component_that_runs_by_the_clock_is_run_by_the_host_although_it_is_fused_into_another(
    folder: Path,
) -> None:
    manifest = app(folder, gateway=GATEWAY, processor=LINKED)
    path = folder / "wisp.toml"
    text = f'[[cron]]\nschedule = "0 * * * *"\ncomponent = "format"\n{path.read_text(encoding="utf-8")}'
    timed = loads(text.replace('app.name = "cyber"\n', "") + '[app]\nname = "cyber"\n', path=path)

    assert set(links.resolve(manifest, FOUND).groups) == {"gateway"}
    assert set(links.resolve(timed, FOUND).groups) == {"gateway", "format"}


@pytest.mark.parametrize(
    "key", ["cyber:packets", "cyber:packets@0.2.0", "cyber:packets@0.2.9", "cyber:packets/data-processor"]
)
def test_a_link_may_name_a_package_or_leave_out_the_version(folder: Path, key: str) -> None:
    manifest = app(folder, gateway=f'link."{key}" = "processor"', processor=LINKED)

    plan = links.resolve(manifest, FOUND)

    assert [(link.interface, link.component) for link in plan.links["gateway"]] == [(PROCESSOR, "processor")]


@pytest.mark.parametrize("key", ["cyber:packets@0.3.0", "cyber:other", "cyber:packets/other"])
def test_a_link_that_names_nothing_in_part_is_a_complaint(folder: Path, key: str) -> None:
    manifest = app(folder, gateway=f'link."{key}" = "processor"', processor=LINKED)

    assert "gateway does not import it" in complaint(manifest, FOUND)


def test_a_link_in_full_wins_over_one_of_its_package(folder: Path) -> None:
    other = "cyber:packets/other@0.2.0"
    found = {
        "gateway": sides(PROCESSOR, other, exports=(HTTP,)),
        "processor": sides(exports=(PROCESSOR, other)),
        "format": sides(exports=(PROCESSOR,)),
    }
    manifest = app(folder, gateway=f'link = {{ "cyber:packets" = "processor", "{PROCESSOR}" = "format" }}')

    plan = links.resolve(manifest, found)

    assert {link.interface: link.component for link in plan.links["gateway"]} == {
        PROCESSOR: "format",
        other: "processor",
    }


def test_addresses_may_lead_in_circles_and_back(folder: Path) -> None:
    sends = ("wasi:http/outgoing-handler@0.2.6",)
    found = {name: sides(*sends, exports=(HTTP,)) for name in ("gateway", "processor", "format")}
    manifest = app(
        folder,
        gateway='link = { "http://processor.internal" = "processor", "http://gateway.spin.internal" = "gateway" }',
        processor='link."http://gateway.internal" = "gateway"',
    )

    plan = links.resolve(manifest, found)

    assert sorted(plan.groups) == ["format", "gateway", "processor"]


def test_in_spin_a_component_may_be_let_through_that_sends_nothing(folder: Path) -> None:
    found = {name: sides(exports=(HTTP,)) for name in ("gateway", "processor", "format")}

    plan = links.resolve(app(folder, gateway='link."http://format.spin.internal" = "format"'), found)
    said = complaint(app(folder, gateway='link."http://format.internal" = "format"'), found)

    assert [link.component for link in plan.links["gateway"]] == ["format"]
    assert "gateway sends no requests" in said


def test_a_link_to_another_app_is_remote_and_nothing_of_the_component_is_known_here(folder: Path) -> None:
    elsewhere = f'link."{PROCESSOR}" = {{ app = "packets", component = "parser", idempotent = true }}'

    plan = links.resolve(app(folder, gateway=elsewhere, processor=LINKED), FOUND)

    [link] = plan.links["gateway"]
    assert (link.mode, link.provider, link.idempotent) == ("remote", "packets/parser", True)
    assert link.reason == "it is a component of another app"
    assert list(plan.groups) == ["gateway", "processor"]
    assert list(plan.groups["gateway"].carried) == [PROCESSOR]


def test_a_remote_link_to_a_component_of_the_same_app_is_carried_by_the_host(folder: Path) -> None:
    remote = f'link."{PROCESSOR}" = {{ component = "processor", mode = "remote" }}'

    plan = links.resolve(app(folder, gateway=remote, processor=LINKED), FOUND)

    [link] = plan.links["gateway"]
    assert (link.mode, link.provider, link.reason) == ("remote", "processor", "the manifest says so")
    assert list(plan.groups) == ["gateway", "processor"]


def test_a_link_to_another_app_may_name_a_package(folder: Path) -> None:
    elsewhere = 'link."cyber:packets" = { app = "packets", component = "parser" }'

    plan = links.resolve(app(folder, gateway=elsewhere, processor=LINKED), FOUND)

    assert [link.interface for link in plan.links["gateway"]] == [PROCESSOR]


def test_what_is_offered_is_exported_and_run_by_the_host(folder: Path) -> None:
    manifest = app(folder, gateway=GATEWAY, processor=f'{LINKED}\noffer."{PROCESSOR}" = "*"')

    plan = links.resolve(manifest, FOUND)

    # It is a part of the gateway, and answers others by itself.
    assert list(plan.groups) == ["gateway", "processor"]
    assert plan.links["gateway"][0].mode == "fused"


def test_an_offer_of_what_is_not_exported_is_an_error(folder: Path) -> None:
    manifest = app(
        folder, gateway=GATEWAY, processor=f'{LINKED}\noffer."cyber:packets/data@0.2.0" = ["shop"]'
    )

    said = complaint(manifest, FOUND)

    assert 'component.processor.offer."cyber:packets/data@0.2.0": processor does not export it; ' in said


def test_requests_are_not_sent_to_other_apps(folder: Path) -> None:
    elsewhere = f'{GATEWAY}\nlink."http://orders.internal" = {{ app = "shop", component = "orders" }}'

    said = complaint(app(folder, gateway=elsewhere, processor=LINKED), FOUND)

    assert "a remote link is one of an interface" in said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('app = "shop", component = "orders", mode = "fused"', "a component of another app cannot be fused"),
        (
            'component = "processor", idempotent = true',
            '`idempotent` is for links with `app` or `mode = "remote"`',
        ),
        ('app = "No App", component = "orders"', "app"),
    ],
)
def test_what_cannot_be_meant_by_a_link_is_refused(folder: Path, written: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        app(folder, gateway=f'link."{PROCESSOR}" = {{ {written} }}')

    assert said in str(caught.value)
