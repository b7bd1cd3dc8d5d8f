//! A component that uses a resource of its host: makes, keeps, lends, gives and drops it.

mod bindings {
    wit_bindgen::generate!({ world: "hosted", path: "wit" });
}

use std::cell::RefCell;

use bindings::exports::test::hosted::reader::{Book, Guest as Reader};
use bindings::test::hosted::shelf;

struct Guest;

bindings::export!(Guest with_types_in bindings);

thread_local! {
    static KEPT: RefCell<Vec<Book>> = const { RefCell::new(Vec::new()) };
}

impl Reader for Guest {
    fn skim(title: String, pages: u32) -> Result<u32, String> {
        Book::new(&title, pages).read(pages)
    }

    fn keep(title: String) -> u32 {
        KEPT.with_borrow_mut(|kept| {
            kept.push(Book::new(&title, 1));
            kept.len() as u32
        })
    }

    fn forget() {
        KEPT.take();
    }

    fn bound(first: String, second: String) -> Vec<String> {
        let second = Book::new(&second, 1);
        let both = Book::bound(Book::new(&first, 1), &second);
        shelf::titles(&[&both, &second])
    }

    fn find(title: String) -> Option<String> {
        shelf::find(&title).map(|book| book.title())
    }

    fn donate(title: String) {
        shelf::donate(Book::new(&title, 1));
    }

    fn look_at(book: &Book) -> String {
        book.title()
    }

    fn take(book: Book) -> String {
        let title = book.title();
        KEPT.with_borrow_mut(|kept| kept.push(book));
        title
    }

    fn give_back() -> Option<Book> {
        KEPT.with_borrow_mut(Vec::pop)
    }

    fn wrong() -> String {
        // SAFETY: there is no such handle, which is the point.
        let book = std::mem::ManuallyDrop::new(unsafe { Book::from_handle(77) });
        book.title()
    }

    fn trap() {
        panic!("trapped on request");
    }
}
