"""Versions: their order, their tracks, and which one follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.wit.versions import Version, name_on_track, track

VERSIONS = st.builds(
    Version, *(st.integers(0, 3) for _ in range(3)), st.sampled_from(["", "", "", "rc.1", "rc.2", "alpha"])
)


@pytest.mark.parametrize(
    ("version", "on", "following", "addition"),
    [
        ("1.2.3", "1", "2.0.0", "1.3.0"),
        ("0.2.3", "0.2", "0.3.0", "0.2.4"),
        ("0.0.3", "0.0.3", "0.0.4", "0.0.4"),
        ("0.3.0-rc.1", "0.3.0-rc.1", "0.3.0", "0.3.0"),
    ],
)
def test_a_version_has_a_track_and_those_that_follow(
    version: str, on: str, following: str, addition: str
) -> None:
    parsed = Version.parse(version)

    assert (parsed.track, str(parsed.next_track()), str(parsed.next_addition())) == (on, following, addition)


@given(VERSIONS)
def test_a_version_is_written_as_it_is_read(version: Version) -> None:
    assert Version.parse(str(version)) == version


@given(VERSIONS)
def test_the_next_track_is_later_and_another_one(version: Version) -> None:
    following = version.next_track()

    assert following.key > version.key
    assert following.track != version.track


@given(VERSIONS)
def test_an_addition_stays_on_its_track_where_the_track_has_more_than_one_version(version: Version) -> None:
    following = version.next_addition()

    assert following.key > version.key
    if not version.pre and (version.major or version.minor):
        assert following.track == version.track


def test_versions_are_in_the_order_of_the_specification() -> None:
    text = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1"
    versions = [Version.parse(word) for word in text.split()]

    assert sorted(versions, key=lambda version: version.key) == versions


@pytest.mark.parametrize("text", ["1", "1.0", "v1.0.0", "1.0.0.0", ""])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        Version.parse(text)


def test_names_are_compared_by_track() -> None:
    assert name_on_track("wasi:io/streams@0.2.6") == "wasi:io/streams@0.2"
    assert name_on_track("wasi:io/streams") == "wasi:io/streams"
    assert track(None) is None
