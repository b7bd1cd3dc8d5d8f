"""Resources that Python implements: a class answers, its objects live as long as the guest's handles."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import wisp
import wisp.sync
from tests.guests.build import component

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHELF = "test:hosted/shelf@0.1.0"
READER = "test:hosted/reader"


class Book:
    """Answers the resource; the books that exist, and those that were closed, are kept by title."""

    made: list[str]
    closed: list[str]

    def __init__(self, title: str, pages: int) -> None:
        self.name = title
        self.pages = pages
        self.made.append(title)

    def title(self) -> str:
        return self.name

    def read(self, pages: int) -> int:
        if pages > self.pages:
            message = f"{self.name} has {self.pages} pages"
            raise wisp.GuestError(message)
        self.pages -= pages
        return self.pages

    @staticmethod
    def bound(first: Book, second: Book) -> Book:
        return type(first)(f"{first.name} and {second.name}", first.pages + second.pages)

    def close(self) -> None:
        self.closed.append(self.name)


class Shelf:
    """Answers the interface."""

    def __init__(self, base: type = Book, **members: object) -> None:
        self.Book: Any = type("Book", (base,), {"made": [], "closed": [], **members})
        self.books: list[Any] = []

    def find(self, title: str) -> Any:
        return next((book for book in self.books if book.name == title), None)

    def donate(self, gift: Any) -> None:
        self.books.append(gift)

    def titles(self, books: list[Any]) -> list[str]:
        return [book.title() for book in books]


@pytest.fixture(scope="module")
def host() -> Iterator[wisp.sync.Host]:
    with wisp.sync.Host() as made:
        yield made


@pytest.fixture
def using(host: wisp.sync.Host) -> Iterator[Callable[[object], Any]]:
    """Return what makes an instance that uses a shelf."""
    opened = []

    def use(shelf: object) -> Any:
        loaded = host.load(component("hosted").read_bytes(), imports={SHELF: shelf})
        instance = loaded.instantiate(output=False)
        opened.append(instance)
        return instance.__enter__()

    yield use
    for each in opened:
        each.close()


def test_a_guest_makes_an_object_calls_its_methods_and_drops_it(using: Any) -> None:
    shelf = Shelf()
    reader = using(shelf)[READER]

    assert reader.skim("Dune", 300) == 0
    assert (shelf.Book.made, shelf.Book.closed) == (["Dune"], ["Dune"])


def test_the_error_of_a_method_is_the_guest_s(using: Any) -> None:
    class Thin(Book):
        def __init__(self, title: str, pages: int) -> None:
            super().__init__(title, pages - 1)

    reader = using(Shelf(Thin))[READER]

    with pytest.raises(wisp.GuestError) as caught:
        reader.skim("Dune", 3)
    assert caught.value.value == "Dune has 2 pages"


def test_an_object_is_kept_until_the_guest_drops_it(using: Any) -> None:
    shelf = Shelf()
    reader = using(shelf)[READER]
    assert [reader.keep("A"), reader.keep("B")] == [1, 2]
    assert shelf.Book.closed == []

    reader.forget()

    assert shelf.Book.closed == ["A", "B"]


def test_a_static_method_takes_one_object_and_looks_at_another(using: Any) -> None:
    shelf = Shelf()

    assert using(shelf)[READER].bound("A", "B") == ["A and B", "B"]
    # `A` was given to Python, which keeps what it is given.
    assert sorted(shelf.Book.closed) == ["A and B", "B"]


def test_objects_are_given_to_a_guest_and_back(using: Any) -> None:
    shelf = Shelf()
    reader = using(shelf)[READER]
    book = shelf.Book("mine", 1)

    assert reader.look_at(book) == "mine"
    assert reader.take(book) == "mine"
    assert reader.give_back() is book
    assert reader.give_back() is None
    assert shelf.Book.closed == []
    assert reader.Book is shelf.Book


def test_objects_are_arguments_and_results_of_imports(using: Any) -> None:
    shelf = Shelf()
    reader = using(shelf)[READER]

    reader.donate("A")

    assert [book.name for book in shelf.books] == ["A"]
    assert reader.find("A") == "A"
    assert reader.find("B") is None


def test_an_object_that_cannot_be_closed_is_just_forgotten(using: Any) -> None:
    alive: list[Any] = []

    class Silent:
        def __init__(self, title: str, pages: int) -> None:
            alive.append(weakref.ref(self))

        def read(self, pages: int) -> int:
            return pages

        title = bound = read

    assert using(Shelf(Silent))[READER].skim("A", 2) == 2
    gc.collect()

    assert [each() for each in alive] == [None]


def test_exit_is_called_where_there_is_no_close(using: Any) -> None:
    left: list[object] = []

    class Leaving:
        made: list[str]
        __init__ = Book.__init__
        title, read, bound = Book.title, Book.read, staticmethod(Book.bound)

        def __exit__(self, *error: object) -> None:
            left.extend(error)

    assert using(Shelf(Leaving))[READER].skim("A", 2) == 0
    assert left == [None, None, None]


def test_the_end_of_an_instance_closes_what_the_guest_held(using: Any) -> None:
    shelf = Shelf()
    instance = using(shelf)
    instance[READER].keep("A")
    instance.close()
    assert shelf.Book.closed == ["A"]

    trapping = using(shelf)
    trapping[READER].keep("B")
    with pytest.raises(wisp.Trap):
        trapping[READER].trap()
    assert shelf.Book.closed == ["A", "B"]


def test_what_closes_may_ask_for_its_instance(using: Any) -> None:
    said: list[str] = []

    class Asking(Book):
        def close(self) -> None:
            with pytest.raises(wisp.InstanceClosed) as caught:
                instance[READER].keep("B")
            said.append(str(caught.value))

    instance = using(Shelf(Asking))
    instance[READER].keep("A")
    instance.close()

    assert said == ["keep: the instance is closed: it was closed"]


def test_a_handle_that_the_guest_never_had_is_a_trap(using: Any) -> None:
    instance = using(Shelf())

    with pytest.raises(wisp.Trap, match="unknown handle index 77"):
        instance[READER].wrong()
    assert instance.closed


def test_an_object_of_another_class_is_refused_before_the_guest_sees_it(using: Any) -> None:
    reader = using(Shelf())[READER]

    with pytest.raises(
        wisp.TypeMismatch, match=r"take: book: expected resource book, a <class .*Book'>, found"
    ):
        reader.take("no book")
    assert reader.skim("A", 1) == 0


def test_an_exception_of_a_constructor_is_the_cause_of_the_trap(using: Any) -> None:
    class Failing(Book):
        def __init__(self, title: str, pages: int) -> None:
            raise KeyError(title)

    with pytest.raises(wisp.Trap) as caught:
        using(Shelf(Failing))[READER].keep("A")
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_a_close_raises_is_said_as_nobody_can_be_told(
    using: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Book):
        def close(self) -> None:
            raise KeyError(self.name)

    said: list[BaseException] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: said.append(raised.exc_value))

    assert using(Shelf(Failing))[READER].skim("A", 1) == 0

    assert [repr(error) for error in said] == ["KeyError('A')"]


@pytest.mark.parametrize(
    ("shelf", "message", "hint"),
    [
        (
            {"find": print, "donate": print, "titles": print},
            "no class for the resource `book`",
            "a class `Book` with",
        ),
        (
            Shelf(read=None),
            "class Book for the resource `book` .* has no `read`",
            r"a method `read\(self, pages\)`",
        ),
        (Shelf(bound=None), "has no `bound`", r"a static method `bound\(first, second\)`"),
    ],
)
def test_a_class_that_lacks_something_is_refused_when_it_is_loaded(
    host: wisp.sync.Host, shelf: object, message: str, hint: str
) -> None:
    with pytest.raises(wisp.LinkError, match=message) as caught:
        host.load(component("hosted").read_bytes(), imports={SHELF: shelf})
    assert caught.value.hint is not None
    assert re.search(hint, caught.value.hint)


async def test_methods_may_be_coroutines_and_close_too() -> None:
    closed = asyncio.Event()
    loops = []

    class Slow(Book):
        async def read(self, pages: int) -> int:  # type: ignore[override]
            await asyncio.sleep(0)
            loops.append(asyncio.get_running_loop())
            return super().read(pages)

        async def close(self) -> None:  # type: ignore[override]
            await asyncio.sleep(0)
            loops.append(asyncio.get_running_loop())
            closed.set()

    async with wisp.Host() as host:
        loaded = await host.load(component("hosted").read_bytes(), imports={SHELF: Shelf(Slow)})
        async with loaded.instantiate(output=False) as instance:
            assert await instance[READER].skim("A", 7) == 0
            await closed.wait()
    assert loops == [asyncio.get_running_loop()] * 2


async def test_leaving_an_instance_closes_what_it_held() -> None:
    shelf = Shelf()
    async with wisp.Host() as host:
        loaded = await host.load(component("hosted").read_bytes(), imports={SHELF: shelf})
        async with loaded.instantiate(output=False) as instance:
            await instance[READER].keep("A")
            assert shelf.Book.closed == []
        assert shelf.Book.closed == ["A"]


def test_many_objects_come_and_go(using: Any) -> None:
    shelf = Shelf()
    reader = using(shelf)[READER]

    for number in range(1000):
        assert reader.skim(str(number), number) == 0

    assert len(shelf.Book.closed) == 1000
