"""Serves the functions of another component over HTTP: `POST /<function>` with the arguments, written as `notation.py` does."""

import json
from array import array

import notation

from componentize_py_types import Err
from wisp_guest.http import Request, Response, serve
from wit_world.imports import echo, kinds


@serve
def call(request: Request) -> Response:
    arguments = [notation.read(each, kinds) for each in json.loads(request.body)]
    function = request.path.rpartition("/")[2]
    answer = signed if function == "list_signed8" else getattr(echo, function)
    try:
        result = answer(*arguments)
    except Err as error:
        result = error
    return Response.json(notation.write(result))


def signed(numbers: list[int]) -> list[int]:
    """Call `list-signed8`: componentize-py has `bytes` for a `list<s8>` too."""
    return array("b", echo.list_signed8(array("b", numbers).tobytes())).tolist()
