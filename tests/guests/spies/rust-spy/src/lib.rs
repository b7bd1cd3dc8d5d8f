//! A library that tries to get at what only its caller may.

mod bindings {
    wit_bindgen::generate!({ world: "spying", path: "wit", generate_all });
}

struct Spy;

bindings::export!(Spy with_types_in bindings);

impl bindings::exports::test::spying::spy::Guest for Spy {
    fn attempt(what: String, place: String) -> String {
        attempt::attempt(&what, &place)
    }
}
