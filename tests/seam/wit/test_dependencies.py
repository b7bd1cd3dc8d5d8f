"""`wit/deps` and its lock file: what is added is pinned, what is missing comes back, what was changed is noticed."""

from __future__ import annotations

import hashlib
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.seam import wasm
from tests.seam.wit.samples import write
from wisp import native
from wisp.cli import main
from wisp.errors import WitError
from wisp.wit import read, shipped
from wisp.wit.dependencies import Dependencies, Event, Source
from wisp.wit.lock import digest, read_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = "package test:base@1.0.0;\n\ninterface types {\n  record packet {\n    id: string,\n  }\n}\n"
SHARED = (
    "package test:shared@0.1.0;\n\ninterface send {\n  use test:base/types@1.0.0.{packet};\n\n"
    "  send: func(it: packet);\n}\n"
)
APP = "package test:app;\n\nworld app {\n  import test:shared/send@0.1.0;\n}\n"


def no_fetch(url: str, digest: str) -> Path:
    pytest.fail(f"{url} was fetched, {digest}")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return write(tmp_path / "shared", SHARED, dependencies={"base": BASE})


@pytest.fixture
def wit(tmp_path: Path) -> Path:
    return write(tmp_path / "app" / "wit", APP)


def dependencies(wit: Path) -> Dependencies:
    return Dependencies(wit, no_fetch)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_package_is_added_with_those_that_it_refers_to(shared: Path, wit: Path) -> None:
    events = dependencies(wit).add([Source("../../shared")])

    assert events == [Event("test:base@1.0.0", "added"), Event("test:shared@0.1.0", "added")]
    assert (wit / "deps" / "test-base-1.0.0" / "package.wit").read_text() == BASE
    assert (wit / "deps" / "test-shared-0.1.0" / "package.wit").read_text() == SHARED
    assert [str(package.name) for package in read.read(wit).packages] == [
        "test:base@1.0.0",
        "test:shared@0.1.0",
        "test:app",
    ]
    assert shared.exists()


@pytest.mark.usefixtures("shared")
def test_the_lock_file_says_what_came_from_where(wit: Path) -> None:
    dependencies(wit).add([Source("../../shared")])

    base, given = (digest(wit / "deps" / name) for name in ("test-base-1.0.0", "test-shared-0.1.0"))
    assert (wit / "wit.lock").read_text() == (
        "# The packages in deps/, pinned by `wisp wit`. Keep it in version control; do not edit it.\n"
        "schema = 1\n\n"
        '[[package]]\nname = "test:base@1.0.0"\npath = "test-base-1.0.0"\nsource = "../../shared"\n'
        f'digest = "{base}"\n\n'
        '[[package]]\nname = "test:shared@0.1.0"\npath = "test-shared-0.1.0"\nsource = "../../shared"\n'
        f'digest = "{given}"\n'
    )


@pytest.mark.usefixtures("shared")
def test_adding_and_locking_again_change_nothing(wit: Path) -> None:
    dependencies(wit).add([Source("../../shared")])
    before = files(wit)

    again = dependencies(wit).add([Source("../../shared")])
    locked = dependencies(wit).lock()

    assert [event.verb for event in again] == ["kept", "kept"]
    assert locked == []
    assert files(wit) == before


def test_a_complete_lock_needs_no_source(shared: Path, wit: Path) -> None:
    dependencies(wit).add([Source("../../shared")])
    shutil.rmtree(shared)

    assert dependencies(wit).lock(check=True) == []


@pytest.mark.usefixtures("shared")
def test_what_is_missing_comes_back_with_the_same_bytes(wit: Path) -> None:
    dependencies(wit).add([Source("../../shared")])
    before = files(wit)
    shutil.rmtree(wit / "deps")

    with pytest.raises(WitError, match=r"test:base@1\.0\.0 is missing; test:shared@0\.1\.0 is missing"):
        dependencies(wit).lock(check=True)
    events = dependencies(wit).lock()

    assert [event.verb for event in events] == ["restored", "restored"]
    assert files(wit) == before


def test_a_package_of_a_folder_of_packages_is_added_with_those_beside_it(shared: Path, wit: Path) -> None:
    (shared / "deps" / "send").mkdir()
    (shared / "deps" / "send" / "send.wit").write_text(SHARED)

    events = dependencies(wit).add([Source("../../shared/deps/send")])
    shutil.rmtree(wit / "deps")
    restored = dependencies(wit).lock()

    assert events == [Event("test:base@1.0.0", "added"), Event("test:shared@0.1.0", "added")]
    assert [event.verb for event in restored] == ["restored", "restored"]


def test_a_package_may_refer_to_those_that_are_there_already(tmp_path: Path, shared: Path, wit: Path) -> None:
    dependencies(wit).add([Source("../../shared/deps/base")])
    alone = write(tmp_path / "alone", SHARED)

    events = dependencies(wit).add([Source("../../alone")])

    assert events == [Event("test:base@1.0.0", "kept"), Event("test:shared@0.1.0", "added")]
    assert (alone.exists(), shared.exists()) == (True, True)


def test_a_package_whose_own_are_nowhere_is_told_with_its_place(tmp_path: Path, wit: Path) -> None:
    alone = write(tmp_path / "alone", SHARED)

    with pytest.raises(WitError, match=r"package 'test:base@1\.0\.0' not found") as caught:
        dependencies(wit).add([Source("../../alone")])

    assert caught.value.path == alone / "world.wit"


def test_a_source_that_changed_does_not_come_back_unnoticed(shared: Path, wit: Path) -> None:
    dependencies(wit).add([Source("../../shared")])
    shutil.rmtree(wit / "deps" / "test-shared-0.1.0")
    (shared / "world.wit").write_text(SHARED.replace("send: func", "post: func"))

    with pytest.raises(WitError, match=r"no longer has test:shared@0\.1\.0 as it is pinned") as caught:
        dependencies(wit).lock()

    assert caught.value.hint == "if the change is meant: `wisp wit add ../../shared`"


@pytest.mark.usefixtures("shared")
def test_a_package_that_was_changed_by_hand_is_noticed(wit: Path) -> None:
    dependencies(wit).add([Source("../../shared")])
    (wit / "deps" / "test-base-1.0.0" / "package.wit").write_text(BASE.replace("id", "name"))

    with pytest.raises(WitError, match="it was changed") as caught:
        dependencies(wit).lock()

    assert caught.value.path == wit / "deps" / "test-base-1.0.0"


@pytest.mark.usefixtures("shared")
def test_packages_that_lie_there_by_hand_are_pinned_and_kept(wit: Path) -> None:
    by_hand = wit / "deps" / "mine"
    by_hand.mkdir(parents=True)
    (by_hand / "base.wit").write_text(BASE + "interface other { type x = u8; }\n")

    events = dependencies(wit).add([Source("../../shared")])

    assert [(event.name, event.verb) for event in events] == [
        ("test:base@1.0.0", "pinned"),
        ("test:base@1.0.0", "kept"),
        ("test:shared@0.1.0", "added"),
    ]
    assert not (wit / "deps" / "test-base-1.0.0").exists()


@pytest.mark.usefixtures("shared")
def test_a_package_that_contradicts_the_one_that_is_there_is_refused(wit: Path) -> None:
    by_hand = wit / "deps" / "mine"
    by_hand.mkdir(parents=True)
    (by_hand / "base.wit").write_text(BASE.replace("id: string", "id: u8"))

    with pytest.raises(WitError, match=r"refers to test:base@1\.0\.0, but not to the one that is there"):
        dependencies(wit).add([Source("../../shared")])


def test_update_takes_the_new_version_of_a_local_source(shared: Path, wit: Path) -> None:
    dependencies(wit).add([Source("../../shared")])
    (shared / "world.wit").write_text(SHARED.replace("0.1.0", "0.2.0"))

    events = dependencies(wit).update(["test:shared"])

    assert events == [
        Event("test:base@1.0.0", "kept"),
        Event("test:shared@0.2.0", "replaced", "test:shared@0.1.0"),
    ]
    assert sorted(path.name for path in (wit / "deps").iterdir()) == ["test-base-1.0.0", "test-shared-0.2.0"]


@pytest.mark.usefixtures("shared")
def test_update_of_an_unknown_package_names_those_that_there_are(wit: Path) -> None:
    dependencies(wit).add([Source("../../shared")])

    with pytest.raises(WitError, match="test:bass is not in") as caught:
        dependencies(wit).update(["test:bass"])

    assert caught.value.hint == "pinned are: test:base@1.0.0, test:shared@0.1.0"


def test_a_component_gives_the_packages_that_it_uses(tmp_path: Path, wit: Path) -> None:
    module = b"".join(
        [
            wasm.MODULE,
            wasm.section(1, b"\x01\x60\x01\x7f\x00"),
            wasm.section(2, b"\x01" + wasm.name("test:dep/one@1.0.0") + wasm.name("f") + b"\x00\x00"),
        ]
    )
    dep = "package test:dep@1.0.0;\n\ninterface one {\n  f: func(x: u32);\n}\n"
    world = write(
        tmp_path / "w", "package a:b;\nworld w { import test:dep/one@1.0.0; }", dependencies={"dep": dep}
    )
    (tmp_path / "given.wasm").write_bytes(native.encode(module, wit=world))

    dependencies(wit).add([Source("../../given.wasm")])

    assert (wit / "deps" / "test-dep-1.0.0" / "package.wit").read_text() == dep


class Handler(BaseHTTPRequestHandler):
    content = BASE.encode()
    requests = 0

    def do_GET(self) -> None:
        Handler.requests += 1
        self.send_response(200)
        self.send_header("content-length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/base.wit"
        http.shutdown()
        thread.join()


def test_an_address_is_fetched_once_and_pinned_by_its_digest(
    server: str, wit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WISP_CACHE_DIR", str(tmp_path / "cache"))
    right = f"sha256:{hashlib.sha256(Handler.content).hexdigest()}"

    assert main.main(["wit", "add", f"{server}#{right}", "--wit", str(wit)]) == 0

    assert f'source = "{server}"\nfetched = "{right}"\n' in (wit / "wit.lock").read_text()
    assert (wit / "deps" / "test-base-1.0.0" / "package.wit").read_text() == BASE
    assert dependencies(wit).lock() == []


def test_nothing_is_fetched_when_the_lock_is_complete_and_what_is_missing_is(
    server: str, wit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WISP_CACHE_DIR", str(tmp_path / "cache"))
    address = f"{server}#sha256:{hashlib.sha256(Handler.content).hexdigest()}"
    assert main.main(["wit", "add", address, "--wit", str(wit)]) == 0
    shutil.rmtree(tmp_path / "cache")
    Handler.requests = 0

    for command in ("lock", "update"):
        assert main.main(["wit", command, "--wit", str(wit)]) == 0
    complete = Handler.requests
    shutil.rmtree(wit / "deps")
    assert main.main(["wit", "lock", "--wit", str(wit)]) == 0

    assert (complete, Handler.requests) == (0, 1)
    assert (wit / "deps" / "test-base-1.0.0" / "package.wit").read_text() == BASE


def test_what_lies_beside_a_package_in_a_folder_of_them_is_added_only_if_it_is_referred_to(
    tmp_path: Path, wit: Path
) -> None:
    other = "package test:other@1.0.0;\n\ninterface none {\n}\n"
    for name, text in (("base", BASE), ("shared", SHARED), ("other", other)):
        write(tmp_path / "deps" / name, text)

    events = dependencies(wit).add([Source("../../deps/shared")])

    assert events == [Event("test:base@1.0.0", "added"), Event("test:shared@0.1.0", "added")]


@pytest.mark.parametrize("name", ["wisp:keyvalue", "wisp:keyvalue@0.1.0"])
def test_a_package_that_wisp_has_is_added_by_its_name(
    name: str, wit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["wit", "add", name, "--wit", str(wit)]) == 0

    said = capsys.readouterr().out.split()
    assert said == ["added", "wasi:keyvalue@0.2.0-draft2", "added", "wisp:keyvalue@0.1.0"]
    assert [pin.source for pin in read_lock(wit).package] == ["wisp:keyvalue@0.1.0", "wisp:keyvalue@0.1.0"]


def test_a_package_that_wisp_has_comes_back_wherever_the_project_lies(wit: Path, tmp_path: Path) -> None:
    assert main.main(["wit", "add", "wasi:blobstore", "--wit", str(wit)]) == 0
    before = files(wit)
    moved = tmp_path / "elsewhere" / "deeper" / "wit"
    shutil.copytree(wit, moved, ignore=shutil.ignore_patterns("deps"))

    assert main.main(["wit", "lock", "--wit", str(moved)]) == 0
    assert main.main(["wit", "update", "--wit", str(moved)]) == 0

    assert files(moved) == before


def test_every_package_that_wisp_has_can_be_added(wit: Path) -> None:
    for name in shipped.packages():
        dependencies(wit).add([Source(name)])

    assert {pin.name for pin in read_lock(wit).package} >= set(shipped.packages())
    assert dependencies(wit).update()
    assert dependencies(wit).lock(check=True) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("oci://wasi/io:0.2.6", "does not say which registry"),
        ("shop:orders@1.0.0", "shop:orders@1.0.0 is the name of a package, which says not where it lies"),
        ("wasi:keyvalue@9.9.9", "wisp has no wasi:keyvalue@9.9.9, but wasi:keyvalue@0.2.0-draft2"),
        ("https://example.com/io.wasm", "expected a digest"),
        ("http://example.com/io.wasm#sha256:" + "0" * 64, "is not encrypted"),
    ],
)
def test_an_address_that_cannot_be_added_is_wrong_usage(
    source: str, said: str, wit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["wit", "add", source, "--wit", str(wit)]) == 2

    assert said in capsys.readouterr().err


def test_a_source_that_is_not_there_is_named_as_a_person_would(wit: Path, tmp_path: Path) -> None:
    with pytest.raises(WitError) as caught:
        dependencies(wit).add([Source("../../nowhere")])

    assert caught.value.message == f"{tmp_path / 'nowhere'} does not exist"


def test_a_package_is_not_added_to_itself(tmp_path: Path) -> None:
    folder = write(tmp_path / "wit", BASE)

    with pytest.raises(WitError, match=r"has test:base@1\.0\.0, which is the package of .* itself"):
        dependencies(folder).add([Source("world.wit")])

    assert not (folder / "deps").exists()


@pytest.mark.parametrize("command", ["lock", "update"])
def test_a_folder_that_is_not_there_is_not_up_to_date(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main.main(["wit", command]) == 1

    assert capsys.readouterr().err == (
        "error: there is no folder wit\n  hint: say where the WIT is, with --wit DIR\n"
    )


def test_what_is_to_be_added_and_is_not_there_is_told_with_what_can_be_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main.main(["wit", "add", "../nope"]) == 1

    assert capsys.readouterr().err.splitlines() == [
        "error: ../nope does not exist",
        "  hint: add a folder or a file with WIT, a component, or an address: https://…#sha256:…",
    ]


def test_a_lock_file_that_is_none_is_named(wit: Path) -> None:
    (wit / "wit.lock").write_text("schema = 99\n")

    with pytest.raises(WitError, match="is not a lock file of this version of wisp"):
        dependencies(wit)
