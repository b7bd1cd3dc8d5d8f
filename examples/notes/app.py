"""Notes: kept in SQLite, with attachments as blobs, counted in a key-value store; a webhook hears of new ones."""

import functools
import logging

from wisp_guest import blobstore, client, config, keyvalue, logs, sqlite
from wisp_guest.http import Problem, Request, Response, serve

logs.install()
log = logging.getLogger("notes")

attachments = blobstore.container("attachments")
counters = keyvalue.open("counters")


@functools.cache
def database() -> sqlite.Connection:
    db = sqlite.connect("notes")
    db.execute("create table if not exists notes (id integer primary key, text text not null, tag text)")
    return db


@serve
def handle(request: Request) -> Response:
    match request.method, *request.path.strip("/").split("/"):
        case "GET", "notes":
            return found(request.query.get("tag"))
        case "POST", "notes":
            return add(request)
        case "PUT", "notes", number, "attachment":
            attachments.write(name(number), request.stream())
            return Response(status=204)
        case "GET", "notes", number, "attachment":
            return attached(number)
        case "GET", "statistics":
            return Response.json({key: int(counters[key]) for key in counters.keys(prefix="notes:")})
    raise Problem(404, "there are /notes, /notes/1/attachment and /statistics")


def found(tag: str | None) -> Response:
    rows = database().execute("select * from notes where ?1 is null or tag = ?1 order by id", [tag])
    return Response.json([dict(row) for row in rows])


def add(request: Request) -> Response:
    note = request.json()
    if not isinstance(note, dict) or not isinstance(note.get("text"), str):
        raise Problem(400, "a note has a text", field="text")
    with database().transaction() as db:
        number = db.execute(
            "insert into notes (text, tag) values (?, ?)", [note["text"], note.get("tag")]
        ).lastrowid
    counters.increment("notes:added")
    log.info("note %s was added", number)
    return Response.json({"id": number, "told": tell({"id": number, **note})}, 201)


def tell(note: dict[str, object]) -> bool:
    """Tell the webhook of a note; a note is a note whether or not it listens."""
    token = config.require("token")
    try:
        client.post(
            config.require("webhook"), json=note, headers={"authorization": f"Bearer {token}"}, timeout=5
        ).raise_for_status()
    except (client.RequestError, client.StatusError) as error:
        log.warning("the webhook was not told: %s", error)
        return False
    return True


def attached(number: str) -> Response:
    try:
        file = attachments.open(name(number))
    except blobstore.NotFoundError as error:
        raise Problem(404, "the note has no attachment") from error
    return Response(iter(lambda: file.read(65_536), b""))


def name(number: str) -> str:
    if database().execute("select 1 from notes where id = ?", [number]).fetchone() is None:
        raise Problem(404, "there is no such note")
    return f"note-{number}"
