"""Projects in C and Go with a world of their own: libraries that other programs call, and services that import from others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wisp
import wisp.sync
from examples.service import Service
from tests.integration.build.projects import build, write
from wisp import native
from wisp.build import languages
from wisp.errors import BuildError
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator

# The first run of all fetches zig and compiles WASI's C library.
pytestmark = pytest.mark.timeout(600)

SHAPES = Path(__file__).parents[2] / "guests" / "shapes"
ECHO = "test:shapes/echo"
KEYVALUE = Path(__file__).parents[3] / "wit" / "capabilities" / "deps" / "wasi-keyvalue"
ACCESS_DENIED = 1
"""The second case of `wasi:keyvalue/store.error`."""

FRONT = """
    package test:front;

    world front {
        import test:greeter/greet;
        import wasi:keyvalue/store@0.2.0-draft2;
        import wasi:keyvalue/atomics@0.2.0-draft2;
    }
    """
WIT = "package test:greeter; interface greet { hello: func(name: string) -> string; }"


class Host:
    """Answers what the guest imports."""

    def repeat(self, text: str, times: int) -> str:
        return text * times

    def words(self, text: str) -> list[str]:
        return text.split()


@pytest.fixture(scope="module", params=["c", "go"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def component(language: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("shapes") / "project"
    shutil.copytree(SHAPES / language, folder)
    shutil.copytree(SHAPES / "wit", folder / "wit")
    return build(languages.builder(language), folder, work(language))


@pytest.fixture
def echo(component: bytes) -> Iterator[Any]:
    with wisp.sync.Host() as host:
        loaded = host.load(component, imports={"test:shapes/host": Host()})
        with loaded.instantiate(limits=wisp.Limits(memory="64MiB", timeout=60)) as instance:
            yield instance[ECHO]


def work(language: str) -> Path:
    """Beside the work folders of real builds, so that they share what tools have compiled."""
    return Cache.open().folder("work", f"test-own-world-{language}")


def test_a_library_has_the_exports_of_its_world_and_no_service(component: bytes) -> None:
    info = native.inspect(component)

    assert (info.kind, info.http) == ("component", None)
    assert [name for name in info.exports if not name.startswith("wasi:")] == [ECHO]
    assert "test:shapes/host" in info.imports


@pytest.mark.parametrize("text", ["", "a", "käse 😀", "x" * 1_000_000])
def test_text_and_bytes_cross_unchanged(echo: Any, text: str) -> None:
    assert echo.text(text) == text
    assert bytes(echo.bytes(text.encode())) == text.encode()


def test_lists_cross_unchanged(echo: Any) -> None:
    assert echo.texts(["", "a", "", "bc"]) == ["", "a", "", "bc"]
    assert echo.texts([]) == []
    assert echo.numbers([0, 1, 2**64 - 1]) == [0, 1, 2**64 - 1]
    assert echo.letter("☃") == "☃"


def test_options_tuples_enumerations_and_flags_cross_unchanged(echo: Any) -> None:
    assert echo.maybe(None) is None
    assert (echo.maybe(""), echo.maybe("x")) == ("", "x")
    assert echo.pair((255, "")) == (255, "")
    assert echo.allowed(echo.Access.READ | echo.Access.ADMIN) == echo.Access.READ | echo.Access.ADMIN
    assert echo.colour(echo.Color.BLUE) == echo.Color.BLUE


def test_records_in_variants_cross_unchanged(echo: Any) -> None:
    points = [echo.Point(-1, 0.5, "a"), echo.Point(2**31 - 1, -0.0, "")]
    given = [echo.Shape_Nothing(), echo.Shape_Circle(1.5), echo.Shape_Named("n"), echo.Shape_Corners(points)]

    assert echo.shapes(given) == given


def test_the_error_of_a_result_is_raised(echo: Any) -> None:
    assert echo.half(8) == 4
    assert echo.check(True) is None

    with pytest.raises(wisp.errors.GuestError) as caught:
        echo.half(7)

    assert caught.value.value == "odd"
    with pytest.raises(wisp.errors.GuestError):
        echo.check(False)


def test_a_resource_lives_in_the_guest_until_it_is_closed(echo: Any) -> None:
    with echo.Counter.new(40) as counter, echo.Counter.new(7) as other:
        assert (counter.add(2), other.add(1)) == (42, 8)
        assert echo.Counter.largest([other, counter]) == 42


def test_many_resources_are_kept_and_given_back(echo: Any) -> None:
    for _ in range(20):
        counters = [echo.Counter.new(number) for number in range(200)]
        echo.text("x" * 200_000)
        assert [counter.add(1) for counter in counters] == list(range(1, 201))
        for counter in counters:
            counter.close()


def test_an_import_answers_with_text_that_stays_what_it_is(echo: Any) -> None:
    assert echo.again("ab", 3) == "ababab"
    assert echo.again("ab", 0) == ""
    assert echo.again("x", 3_000_000) == "x" * 3_000_000
    assert echo.split("a bc  d") == ["a", "bc", "d"]


def test_a_long_lived_instance_does_not_grow(echo: Any) -> None:
    """64 MiB are all that it may have; a collector that ran at a wrong moment would end it, too."""
    words = [f"word-{number}" for number in range(500)]

    for round_ in range(3000):
        assert echo.texts(words) == words
        assert echo.split("a b " * (round_ % 50)) == ["a", "b"] * (round_ % 50)
        assert echo.again(words[round_ % 500], 1000) == words[round_ % 500] * 1000


SERVICES = {
    "c": {
        "service_c": """
            #include <wisp.h>
            #include "front.h"

            /* Counts in the store that the query names. */
            static void count(wisp_text store, wisp_response *response) {
                front_string_t name = {(uint8_t *)store.data, store.length}, key = {(uint8_t *)"n", 1};
                wasi_keyvalue_store_own_bucket_t bucket;
                wasi_keyvalue_store_error_t error;
                if (!wasi_keyvalue_store_open(&name, &bucket, &error)) {
                    wisp_print(response, "error %d", error.tag);
                    return;
                }
                wasi_keyvalue_store_borrow_bucket_t opened = wasi_keyvalue_store_borrow_bucket(bucket);
                int64_t sum;
                front_option_list_u8_t kept;
                if (wasi_keyvalue_atomics_increment(opened, &key, 1, &sum, &error) &&
                    wasi_keyvalue_store_method_bucket_get(opened, &key, &kept, &error)) {
                    wisp_print(response, "%d %.*s", (int)sum, (int)kept.val.len, (char *)kept.val.ptr);
                    front_option_list_u8_free(&kept);
                }
                wasi_keyvalue_store_bucket_drop_own(bucket);
            }

            void wisp_handle(wisp_request *request, wisp_response *response) {
                wisp_text path = wisp_path(request), query = wisp_query(request);
                if (query.length > 0) {
                    count(query, response);
                    return;
                }
                front_string_t name = {(uint8_t *)path.data + 1, path.length - 1}, greeting;
                test_greeter_greet_hello(&name, &greeting);
                wisp_write(response, greeting.ptr, greeting.len);
                front_string_free(&greeting);
            }
            """,
    },
    "go": {
        "go_mod": "module front\n\ngo 1.25\n\nrequire github.com/wisp-wasm/wisp/guest/go v0.1.0\n",
        "main_go": """
            package main

            import (
                "fmt"
                "io"

                wisp "github.com/wisp-wasm/wisp/guest/go"

                "front/bindings/test_greeter_greet"
                "front/bindings/wasi_keyvalue_atomics"
                "front/bindings/wasi_keyvalue_store"
            )

            func init() {
                wisp.Serve(func(w *wisp.Response, r *wisp.Request) {
                    if r.Query != "" {
                        count(w, r.Query)
                        return
                    }
                    io.WriteString(w, test_greeter_greet.Hello(r.Path[1:]))
                })
            }

            // count counts in the store that the query names.
            func count(w *wisp.Response, store string) {
                opened := wasi_keyvalue_store.Open(store)
                if opened.IsErr() {
                    fmt.Fprintf(w, "error %d", opened.Err().Tag())
                    return
                }
                bucket := opened.Ok()
                defer bucket.Drop()
                sum := wasi_keyvalue_atomics.Increment(bucket, "n", 1).Ok()
                fmt.Fprintf(w, "%d %s", sum, bucket.Get("n").Ok().Some())
            }

            func main() {}
            """,
    },
}

GREETER = """
    #include "greeter.h"
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>

    void exports_test_greeter_greet_hello(greeter_string_t *name, greeter_string_t *ret) {
        char *text = malloc(name->len + 8);
        int length = snprintf(text, name->len + 8, "Hello, %.*s", (int)name->len, (char *)name->ptr);
        *ret = (greeter_string_t){(uint8_t *)text, (size_t)length};
        greeter_string_free(name);
    }
    """

APP = """
[app]
name = "greeting"

[[http]]
route = "/..."
component = "front"

[component.front]
source = "front"
grants = {{ keyvalue = ["visits"] }}
instances = {{ reuse = 100000 }}

[component.front.link]
"test:greeter/greet" = {{ component = "greeter", mode = "{mode}" }}

[component.greeter]
source = "greeter"
"""


def greeting(folder: Path, language: str, mode: str) -> Path:
    """Write an app of a service in this language, and a library in C that it calls."""
    write(folder / "front", **SERVICES[language], wit__front_wit=FRONT)
    write(folder / "greeter", greeter_c=GREETER)
    write(folder / "greeter", wit__w_wit="package test:library; world greeter { export test:greeter/greet; }")
    for name in ("front", "greeter"):
        write(folder / name, wit__deps__greeter_wit=WIT)
    shutil.copytree(KEYVALUE, folder / "front" / "wit" / "deps" / "keyvalue")
    (folder / "wisp.toml").write_text(APP.format(mode=mode), encoding="utf-8")
    return folder


def test_a_service_keeps_something_in_the_store_that_it_was_granted(language: str, tmp_path: Path) -> None:
    with Service(greeting(tmp_path, language, "fused"), "--workers", "1", "--no-access-log") as service:
        connection = service.connect()
        answers = [get(connection, f"/?{store}") for store in ("visits", "others", "visits")]
        connection.close()

    assert answers == ["1 1", f"error {ACCESS_DENIED}", "2 2"]
    assert any("front may not use wasi:keyvalue/store for others" in line for line in service.log)


@pytest.mark.parametrize("mode", ["fused", "bridged"])
def test_a_service_calls_a_library_in_c(language: str, mode: str, tmp_path: Path) -> None:
    with Service(greeting(tmp_path, language, mode), "--workers", "1", "--no-access-log") as service:
        connection = service.connect()
        answers = {get(connection, f"/{number}") for number in range(500)}
        connection.close()

    assert answers == {f"Hello, {number}" for number in range(500)}


def get(connection: http.client.HTTPConnection, path: str) -> str:
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def test_a_c_file_that_lacks_an_export_is_told_so(tmp_path: Path) -> None:
    write(
        tmp_path,
        wit__w_wit="package a:b; world w { export twice: func(n: u32) -> u32; }",
        w_c="#include <w.h>\n",
    )

    with pytest.raises(BuildError, match="no file defines `exports_w_twice`") as caught:
        build(languages.builder("c"), tmp_path, work("c"))

    assert "wisp wit init c" in (caught.value.hint or "")


def test_a_go_program_that_does_not_import_its_exports_is_told_so(tmp_path: Path) -> None:
    write(
        tmp_path,
        wit__w_wit="package a:b; world w { export twice: func(n: u32) -> u32; }",
        go_mod="module w\n\ngo 1.25\n\nrequire github.com/wisp-wasm/wisp/guest/go v0.1.0\n",
        main_go="package main\n\nfunc main() {}\n",
    )

    with pytest.raises(BuildError, match="does not fit the world a:b/w") as caught:
        build(languages.builder("go"), tmp_path, work("go"))

    assert 'import _ "w/bindings/wit_exports"' in (caught.value.hint or "")


def test_what_a_world_does_not_use_is_no_hindrance(tmp_path: Path) -> None:
    other = "interface other { g: async func() -> stream<u8>; }"
    write(
        tmp_path,
        wit__w_wit=f"package a:b; world w {{ export f: func() -> u32; }} {other}",
        w_c="#include <w.h>\n\nuint32_t exports_w_f(void) { return 7; }\n",
    )

    assert native.inspect(build(languages.builder("c"), tmp_path, work("c"))).exports == ("f",)


@pytest.mark.parametrize(
    ("wit", "message"),
    [
        ("package a:b; world w { export f: func(x: nothing); }", "`nothing` does not exist"),
        ("package a:b; world w { export f: async func(); }", "`f` is asynchronous"),
        ("package a:b; world w { export f: func(x: stream<u8>); }", "it has a stream"),
        ("package a:b; world w { export f: func() -> list<u8, 4>; }", "it has a list of a fixed length"),
        ("package a:b; world w { export f: func() -> map<string, u8>; }", "it has a map"),
    ],
)
def test_wit_that_has_no_bindings_is_refused_with_its_file(wit: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, wit__w_wit=wit, w_c="#include <w.h>\n")

    with pytest.raises(BuildError, match=message) as caught:
        build(languages.builder("c"), tmp_path, work("c"))

    assert caught.value.file is not None
    assert caught.value.file.is_relative_to(tmp_path / "wit")
