"""Of values that are alike, one is kept."""

import json

from wisp.manifest.alike import Alike


def test_objects_that_are_equal_to_the_one_before_are_that_one() -> None:
    text = json.dumps([{"name": str(number), "limits": {"memory": 300, "hosts": []}} for number in range(3)])

    read = json.loads(text, object_hook=Alike().one)

    assert read == json.loads(text)
    assert read[0]["limits"] is read[1]["limits"] is read[2]["limits"]
    assert read[0] is not read[1]


def test_objects_that_differ_stay_what_they_are() -> None:
    alike = Alike()

    assert [alike.one({"memory": value}) for value in (1, 2, 1)] == [
        {"memory": 1},
        {"memory": 2},
        {"memory": 1},
    ]
    assert alike.one({"time": 1}) == {"time": 1}
