"""The modules of the guest library inside of a component, in front of the real host."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.host import PATIENCE, Host, environment
from wisp.cli.prepare import PrepareOptions, prepare
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

MANIFEST = """
[app]
name = "app"

[[http]]
route = "/..."
component = "one"

[component.one]
source = "sources"
instances = { reuse = 100 }

[component.one.grants]
http = ["http://127.0.0.1:*"]
keyvalue = ["default"]
sqlite = ["default"]
blobstore = ["images"]
messaging = ["orders.*"]
config = { greeting = "hi" }
files = [{ source = "assets", mount = "/assets" }, { source = "data", mount = "/data", write = true }]
"""

SERVICE = '''
import asyncio
import logging
import os
from pathlib import Path

from wisp_guest import blobstore, client, config, errors, keyvalue, logs, messaging, sqlite
from wisp_guest.http import Request, Response, serve

logs.install(logging.DEBUG)

store = keyvalue.open("default")
db = sqlite.connect("default")
images = blobstore.container("images")


def named(call, *arguments):
    """Return the exception of a call, with all that it is."""
    try:
        return call(*arguments)
    except Exception as error:
        bases = [kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("wisp_guest")]
        return [*bases, str(error)]


def keys():
    store.set_many({f"user:{number}": str(number) for number in range(2500)} | {"zoo": b"z"})
    first = store.cas("fresh", None, "1")
    store.cas("fresh", first, "2")
    store.set("short", "x", ttl=3600)
    left = store.entry("short").time_left.total_seconds()
    found = store.get_many(["zoo", "nothing"])
    before = len(list(store.keys(prefix="user:")))
    store.delete_many(store.keys(prefix="user:"))
    return [
        before,
        sorted(store),
        found["zoo"].decode(), len(found),
        3500 < left <= 3600,
        store.update("list", lambda old: (old or b"") + b"a").decode(),
        store.update("list", lambda old: (old or b"") + b"b").decode(),
        store.increment("hits"), store.increment("hits", 41),
        named(store.cas, "fresh", first, "3")[0],
        named(store.increment, "zoo")[0],
        named(keyvalue.open("others").get, "x"),
        "zoo" in store, store.get("nothing"),
    ]


def rows():
    db.execute("create table notes (id integer primary key, text text unique, data blob, weight real)")
    inserted = db.execute("insert into notes (text, data, weight) values (?, ?, ?)", ["käse", b"\\0\\xff", 0.5])
    failed = named(db.executemany, "insert into notes (text) values (?)", [["a"], ["a"]])
    with db.transaction():
        db.execute("insert into notes (text) values (?)", ["b"])
        inside = db.execute("select count(*) from notes").fetchone()[0]
    row = db.execute("select * from notes where id = 1").fetchone()
    return [
        [inserted.rowcount, inserted.lastrowid],
        failed[:2],
        inside,
        [row["text"], row["data"].hex(), row["weight"], row.keys()],
        db.execute("delete from notes where id > 1 returning text").fetchall(),
        named(db.execute, "selekt")[0],
        named(db.execute, "attach database 'x' as y")[0],
        named(db.execute, "select 1; select 2")[0],
        named(sqlite.connect("others").execute, "select 1")[:3],
    ]


def blobs():
    with images.open("lines", "wb") as file:
        for number in range(30000):
            file.write(b"%d\\n" % number)
    with images.open("lines") as file:
        lines = sum(1 for line in file)
    images.write("cat", b"miaow")
    try:
        with images.open("cat", "wb") as file:
            file.write(b"half")
            raise KeyError("x")
    except KeyError:
        pass
    images.copy("cat", "tiger")
    images.move("tiger", "lion")
    before = sorted(images)
    images.delete("lion", "nobody")
    return [
        lines, before, images.read("cat").decode(), images.read("cat", 1, 3).decode(), images.read("cat", 2).decode(),
        images.info("cat").size, images.info("cat").created.year > 2024, "cat" in images, "lion" in images,
        named(images.read, "lion")[0],
        named(blobstore.container("others").read, "x")[:3],
    ]


def others(url):
    with client.post(f"{url}/echo?a=b c", json={"x": 1}, headers={"x-name": "y"}, timeout=30) as answer:
        first = [answer.status, answer.json(), answer.headers["x-answer"]]
    pieces = b"".join(client.get(f"{url}/long").stream())
    unread = client.get(f"{url}/long")
    unread.close()
    sent = client.put(f"{url}/echo", (b"piece" for _ in range(3)))
    return [
        first, len(pieces), sent.json()["body"], client.head(f"{url}/echo").status,
        named(client.get(f"{url}/missing").raise_for_status)[0],
        named(client.get, "http://127.0.0.1:1/")[0:2],
        named(client.get, "https://example.com/")[:3],
        named(client.get, "ftp://example.com/")[0],
        named(lambda: client.get(f"{url}/slow", timeout=0.2))[0],
        named(lambda: client.get(f"{url}/broken").body)[0],
    ]


def files():
    made = Path("/data/made")
    made.mkdir()
    made.joinpath("first").write_text("written by Python")
    with open("/data/made/first", "a") as file:
        file.write(", käse appended")
    os.rename("/data/made/first", "/data/made/kept")
    Path("/data/old").unlink()

    def refused(call, *arguments):
        try:
            return ["done", str(call(*arguments))]
        except OSError as error:
            return type(error).__name__

    outside = ["/etc/passwd", "/proc/self/environ", "/data/../secret", "/data/way-out", "/assets/way-out"]
    return [
        Path("/assets/inner/a.txt").read_text(),
        Path("/data/made/kept").read_bytes().decode(),
        sorted(os.listdir("/data")),
        [refused(Path(path).read_text) for path in outside],
        [refused(Path(path).write_text, "overwritten") for path in outside],
        refused(Path("/assets/new").write_text, "x"),
        refused(Path("/assets/inner/a.txt").unlink),
        refused(os.listdir, "/data/.."),
    ]


def messages():
    messaging.publish("orders.created", {"id": 7})
    return [named(messaging.publish, "secrets", b"")[:3], named(messaging.publish, "orders..x", b"")[0]]


@serve
def handle(request: Request) -> Response:
    match request.path:
        case "/keys":
            return Response.json(keys())
        case "/rows":
            return Response.json(rows())
        case "/blobs":
            return Response.json(blobs())
        case "/messages":
            return Response.json(messages())
        case "/others":
            return Response.json(others(request.query["url"]))
        case "/files":
            return Response.json(files())
        case "/config":
            return Response.json([config.get("greeting"), config.get("x"), config.all(), named(config.require, "x")[:3]])
    logging.getLogger("shop").debug("only %d left", 3)
    try:
        1 / 0
    except ZeroDivisionError:
        logging.exception("it broke")
    return Response.text("logged")
'''

ASYNCHRONOUS = """
import asyncio

from wisp_guest import client
from wisp_guest.http import Request, Response, serve


@serve
async def handle(request: Request) -> Response:
    url = request.query["url"]
    answers = await asyncio.gather(*(client.send_async("POST", f"{url}/meet", b"x" * 200_000) for _ in range(3)))
    return Response.json([len(await answer.read()) for answer in answers])
"""


class Neighbour(http.server.ThreadingHTTPServer):
    """Somebody who answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.meeting = threading.Barrier(3)
        self.over = threading.Event()


class Answering(http.server.BaseHTTPRequestHandler):
    server: Neighbour
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self._body()
        match self.path.partition("?")[0]:
            case "/echo":
                text = {"target": self.path, "body": body.decode(), "name": self.headers["x-name"]}
                self._send(200, json.dumps(text).encode())
            case "/meet":
                self.server.meeting.wait(PATIENCE)  # All three are under way, or nobody gets an answer.
                self._send(200, body)
            case "/long":
                self._send(200, b"x" * 1_000_000)
            case "/slow":
                self.server.over.wait(PATIENCE)
                self.close_connection = True  # Who asked went away long ago.
            case "/broken":
                self._send(200, b"half", length=8)
                self.close_connection = True
            case _:
                self._send(404, b"")

    do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815 - the base class calls them so

    def _body(self) -> bytes:
        if self.headers["transfer-encoding"] != "chunked":
            return self.rfile.read(int(self.headers["content-length"] or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.send_header("x-answer", "yes")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with Neighbour() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.over.set()
        server.shutdown()
        thread.join()


SECRET = "beside the folders"  # noqa: S105 - nothing that anybody may not know


def serve(folder: Path, source: str) -> Host:
    (folder / "sources").mkdir()
    (folder / "sources" / "app.py").write_text(source, encoding="utf-8")
    (folder / "wisp.toml").write_text(MANIFEST, encoding="utf-8")
    (folder / "secret").write_text(SECRET, encoding="utf-8")
    for name in ("assets/inner", "data"):
        (folder / name).mkdir(parents=True)
    for name in ("assets/inner/a.txt", "data/old"):
        (folder / name).write_text("from the host", encoding="utf-8")
    for name in ("assets/way-out", "data/way-out"):
        (folder / name).symlink_to("../secret")
    asyncio.run(prepare([folder], PrepareOptions(), print))
    return Host("--workers", "1", folder=folder, variables=environment(Cache.default_root()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[Host]:
    with serve(folder, SERVICE) as host:
        yield host


def ask(host: Host, path: str) -> Any:
    connection = http.client.HTTPConnection(*host.address, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_key_value_stores(host: Host) -> None:
    answer = ask(host, "/keys")

    assert answer[:4] == [2500, ["fresh", "short", "zoo"], "z", 1]
    assert answer[4:9] == [True, "a", "ab", 1, 42]
    assert answer[9:11] == ["ChangedError", "StoreError"]
    assert answer[11][:2] == ["DeniedError", "StoreError"]
    assert answer[12:] == [True, None]


def test_sql_databases(host: Host) -> None:
    answer = ask(host, "/rows")

    assert answer == [
        [1, 1],
        ["IntegrityError", "Error"],
        2,
        ["käse", "00ff", 0.5, ["id", "text", "data", "weight"]],
        [["b"]],
        "ProgrammingError",
        "RefusedError",
        "RefusedError",
        ["DeniedError", "Error", "NotGrantedError"],
    ]


def test_blobs(host: Host) -> None:
    answer = ask(host, "/blobs")

    assert answer == [
        30_000,
        ["cat", "lines", "lion"],
        *("miaow", "ia", "aow"),
        *(5, True, True, False),
        "NotFoundError",
        ["DeniedError", "BlobError", "NotGrantedError"],
    ]


def test_files_of_the_mounted_folders_and_no_others(host: Host, folder: Path) -> None:
    read, kept, names, *refused = ask(host, "/files")

    assert read == "from the host"
    assert kept == "written by Python, käse appended"
    assert names == ["made", "way-out"]
    # What is in no folder is not there at all for Python.
    outside = ["FileNotFoundError"] * 2 + ["PermissionError"] * 3
    assert refused == [outside, outside, *["PermissionError"] * 3]
    assert (folder / "data" / "made" / "kept").read_text(encoding="utf-8") == kept
    assert (folder / "secret").read_text(encoding="utf-8") == SECRET
    assert sorted(path.name for path in (folder / "assets").iterdir()) == ["inner", "way-out"]


def test_messages(host: Host) -> None:
    denied, invalid = ask(host, "/messages")

    assert denied == ["DeniedError", "MessagingError", "NotGrantedError"]
    assert invalid == "InvalidSubjectError"


def test_configuration(host: Host) -> None:
    assert ask(host, "/config") == [
        "hi",
        None,
        {"greeting": "hi"},
        ["MissingError", "ConfigError", "NotGrantedError"],
    ]


def test_requests_to_others(host: Host, url: str) -> None:
    answer = ask(host, f"/others?url={url}")

    assert answer == [
        [200, {"target": "/echo?a=b%20c", "body": '{"x":1}', "name": "y"}, "yes"],
        1_000_000,
        "piecepiecepiece",
        200,
        "StatusError",
        ["UnreachableError", "RequestError"],
        ["DeniedError", "RequestError", "NotGrantedError"],
        "RequestError",
        "TimedOutError",
        "UnreachableError",
    ]


def test_requests_of_tasks_are_under_way_at_once(tmp_path: Path, url: str) -> None:
    with serve(tmp_path, ASYNCHRONOUS) as host:
        assert ask(host, f"/?url={url}") == [200_000] * 3


def test_log_lines_have_the_level_and_the_name_of_the_logger(host: Host) -> None:
    connection = http.client.HTTPConnection(*host.address, timeout=PATIENCE)
    connection.request("GET", "/log")
    connection.getresponse().read()
    connection.close()

    left = host.line(kind="guest", context="shop")
    broke = host.line(kind="guest", context="root")

    assert (left["level"], left["message"]) == ("debug", "only 3 left")
    assert broke["level"] == "error"
    assert broke["message"].startswith("it broke\nTraceback")
    assert "ZeroDivisionError" in broke["message"]
