//! Which route answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

use http::Method;
use proptest::prelude::*;
use wisp_host::Convention;
use wisp_host::trigger::router::{Found, Route, RouteError, Router};

fn route(text: &str) -> (Vec<String>, Vec<String>, String) {
    let mut words: Vec<_> = text.split(' ').collect();
    let path = words.pop().unwrap().to_owned();
    let host = |word: &&&str| word.contains('.') || **word == "localhost";
    let hosts = words
        .iter()
        .filter(host)
        .map(|word| (*word).to_owned())
        .collect();
    let methods = words
        .iter()
        .filter(|word| !host(word))
        .map(|word| (*word).to_owned())
        .collect();
    (methods, hosts, path)
}

fn build(routes: &[&str]) -> Result<Router<usize>, RouteError> {
    let routes = routes.iter().enumerate().map(|(index, text)| {
        let (methods, hosts, path) = route(text);
        Route::new(&path, &methods, &hosts, index)
    });
    Router::new(routes.collect())
}

/// Asks `METHOD [HOST] PATH` and gives the route's text, `405 ALLOW`, or `404`.
fn ask(router: &Router<usize>, request: &str) -> String {
    let words: Vec<_> = request.split(' ').collect();
    let (method, path) = (words[0].parse::<Method>().unwrap(), words[words.len() - 1]);
    let host = if words.len() == 3 {
        words[1]
    } else {
        "anything"
    };
    match router.find(&method, host, path) {
        Found::Route(found) => {
            assert_eq!(
                router.route(found.index()).unwrap(),
                (found.route(), found.target())
            );
            found.route().to_owned()
        }
        Found::OtherMethods(methods) => {
            format!(
                "405 {}",
                methods
                    .iter()
                    .map(Method::as_str)
                    .collect::<Vec<_>>()
                    .join(",")
            )
        }
        Found::Nothing => "404".to_owned(),
    }
}

fn check(routes: &[&str], cases: &[(&str, &str)]) {
    let built = build(routes).unwrap();
    for (request, expected) in cases {
        assert_eq!(
            ask(&built, request),
            *expected,
            "{request} among {routes:?}"
        );
    }
}

#[test]
fn a_route_of_spin_takes_a_slash_at_the_end_as_well() {
    let table = |paths: &[&str]| {
        let routes = paths
            .iter()
            .enumerate()
            .map(|(index, path)| Route::new(path, &[], &[], index).with(Convention::Spin));
        Router::new(routes.collect())
    };
    let router = table(&["/", "/one", "/one/...", "/one/:id", "/:any"]).unwrap();

    for (path, route) in [
        ("/", "/"),
        ("/one", "/one"),
        ("/one/", "/one"),
        ("/one/two", "/one/:id"),
        ("/one/two/", "/one/:id"),
        ("/one/two/three", "/one/..."),
        ("/two/", "/:any"),
        ("/two/three", "404"),
    ] {
        assert_eq!(ask(&router, &format!("GET {path}")), route, "{path}");
    }
    assert!(matches!(
        table(&["/one", "/one/"]),
        Err(RouteError::Equal { .. })
    ));
}

#[test]
fn the_most_specific_path_wins_segment_by_segment() {
    check(
        &[
            "/...",
            "/users/...",
            "/users/:id",
            "/users/me",
            "/:any",
            "/users/:id/files/...",
            "/users/me/:what/x",
        ],
        &[
            ("GET /users/me", "/users/me"),
            ("GET /users/7", "/users/:id"),
            ("GET /users", "/users/..."),
            ("GET /users/", "/users/..."),
            ("GET /users/7/files", "/users/:id/files/..."),
            ("GET /users/7/files/a/b", "/users/:id/files/..."),
            ("GET /users/me/files/x", "/users/me/:what/x"),
            ("GET /users/me/files/y", "/users/:id/files/..."),
            ("GET /users/me/other", "/users/..."),
            ("GET /else", "/:any"),
            ("GET /else/more", "/..."),
            ("GET /", "/..."),
        ],
    );
}

#[test]
fn a_trailing_slash_makes_another_path_except_below_a_prefix() {
    check(
        &["/a", "/b/", "/files/...", "/:x/:y"],
        &[
            ("GET /a", "/a"),
            ("GET /a/", "404"),
            ("GET /b/", "/b/"),
            ("GET /b", "404"),
            ("GET /files", "/files/..."),
            ("GET /files/", "/files/..."),
            ("GET /files//", "/files/..."),
            ("GET /filesystem", "404"),
            ("GET /a//b", "404"),
            ("GET //b", "404"),
        ],
    );
}

#[test]
fn encoded_text_is_the_same_text_but_an_encoded_slash_separates_nothing() {
    check(
        &["/café/x", "/a/b", "/one%20two", "/files/:name", "/100%"],
        &[
            ("GET /caf%C3%A9/x", "/café/x"),
            ("GET /%61/b", "/a/b"),
            ("GET /a%2Fb", "404"),
            ("GET /one%20two", "/one%20two"),
            ("GET /files/a%2Fb", "/files/:name"),
            ("GET /100%", "/100%"),
            ("GET /100%25", "/100%"),
            ("GET /a/./b", "404"),
            ("GET /files/..", "/files/:name"),
        ],
    );
}

#[test]
fn a_host_of_its_own_beats_any_host() {
    check(
        &[
            "/x",
            "api.example.com /...",
            "*.example.com /x",
            "*.eu.example.com /x",
            "GET other.com /y",
            "/y",
        ],
        &[
            ("GET api.example.com /x", "/..."),
            ("GET API.Example.com.:8080 /x", "/..."),
            ("GET a.example.com /x", "/x"),
            ("GET a.example.com /y", "/y"),
            ("GET example.com /z", "404"),
            ("POST other.com /y", "/y"),
        ],
    );
    let router = build(&["/x", "*.example.com /x", "*.eu.example.com /x"]).unwrap();
    let target = |host: &str| match router.find(&Method::GET, host, "/x") {
        Found::Route(found) => *found.target(),
        _ => panic!("no route for {host}"),
    };
    assert_eq!(
        [
            target("example.com"),
            target("a.example.com"),
            target("a.b.eu.example.com"),
            target("notexample.com")
        ],
        [0, 1, 2, 0]
    );
}

#[test]
fn methods_are_matched_and_the_others_are_named() {
    check(
        &[
            "GET /a",
            "POST PUT /a",
            "/a/:any",
            "DELETE /a/b",
            "GET HEAD /h",
            "PURGE /p",
        ],
        &[
            ("GET /a", "/a"),
            ("HEAD /a", "/a"),
            ("DELETE /a", "405 GET,HEAD,POST,PUT"),
            ("OPTIONS /a", "405 GET,HEAD,POST,PUT"),
            ("DELETE /a/b", "/a/b"),
            ("GET /a/b", "/a/:any"),
            ("OPTIONS *", "404"),
            ("HEAD /h", "/h"),
            ("POST /h", "405 GET,HEAD"),
            ("PURGE /p", "/p"),
        ],
    );
}

#[test]
fn parameters_and_the_rest_are_given_as_they_were_sent() {
    let router = build(&["/users/:Id/files/:name/...", "/..."]).unwrap();

    let Found::Route(found) = router.find(&Method::GET, "", "/users/a%20b/files/c%2Fd/e/f") else {
        panic!()
    };
    assert_eq!(
        found.parameters().collect::<Vec<_>>(),
        [("id", "a%20b"), ("name", "c%2Fd")]
    );
    assert_eq!(found.rest(), Some("/e/f"));
    let Found::Route(found) = router.find(&Method::GET, "", "/users/a/files/b") else {
        panic!()
    };
    assert_eq!(found.rest(), Some(""));
    let Found::Route(found) = router.find(&Method::GET, "", "/x/y") else {
        panic!()
    };
    assert_eq!(
        (found.parameters().count(), found.rest()),
        (0, Some("/x/y"))
    );
}

#[test]
fn routes_that_cannot_be_served_are_refused_with_the_route() {
    for (routes, message) in [
        (
            &["/a", "/a"][..],
            "the routes `/a` and `/a` match the same requests",
        ),
        (
            &["/:a/b", "/:c/b"],
            "the routes `/:a/b` and `/:c/b` match the same requests",
        ),
        (
            &["GET POST /a", "POST /a"],
            "the routes `/a` and `/a` match the same requests",
        ),
        (
            &["/%61", "/a"],
            "the routes `/%61` and `/a` match the same requests",
        ),
        (
            &["a.com /x/...", "b.com A.com /x/..."],
            "the routes `/x/...` and `/x/...` match the same requests",
        ),
        (
            &["a"],
            "the route `a` is not valid: a route begins with `/`",
        ),
        (
            &["CONNECT /a"],
            "the route `/a` has the method `CONNECT`, which cannot be served",
        ),
        (
            &["G=T /a"],
            "the route `/a` has the method `G=T`, which cannot be served",
        ),
        (
            &["a..b*.com /a"],
            "the route `/a` has a host that is not valid",
        ),
    ] {
        let error = build(routes).unwrap_err().to_string();
        assert!(error.starts_with(message), "{routes:?}: {error}");
    }
    assert!(build(&["GET /a", "/a", "POST /a", "a.com /a"]).is_ok());
}

/// The rules once more, as a search through all routes.
fn naive(
    routes: &[(Vec<String>, Option<String>, String)],
    method: &str,
    host: &str,
    path: &str,
) -> Option<usize> {
    let best = routes
        .iter()
        .enumerate()
        .filter_map(|(index, (methods, wanted, pattern))| {
            let host = match wanted.as_deref() {
                None => 0,
                Some(name) if name.starts_with('*') => {
                    host.ends_with(&name[1..]).then_some(name.len())?
                }
                Some(name) => (name == host).then_some(usize::MAX)?,
            };
            let method = match methods.as_slice() {
                [] => 0,
                names if names.iter().any(|name| name == method) => 2,
                names if method == "HEAD" && names.iter().any(|name| name == "GET") => 1,
                _ => return None,
            };
            Some((host, naive_path(pattern, path)?, method, index))
        });
    best.max().map(|(.., index)| index)
}

fn naive_path(pattern: &str, path: &str) -> Option<Vec<u8>> {
    let mut rank = Vec::new();
    let mut parts = path.split('/').skip(1);
    for segment in pattern.split('/').skip(1) {
        if segment == "..." {
            rank.push(0);
            return Some(rank);
        }
        let part = parts.next()?;
        rank.push(match segment.strip_prefix(':') {
            Some(_) => (!part.is_empty()).then_some(1)?,
            None => (segment == part).then_some(2)?,
        });
    }
    rank.push(1);
    parts.next().is_none().then_some(rank)
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof![Just("a"), Just("b"), Just("c"), Just(":x")];
    (
        proptest::collection::vec(segment, 0..4),
        prop_oneof![Just(""), Just("/..."), Just("/")],
    )
        .prop_filter_map("a parameter twice", |(segments, end)| {
            let path: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
            let path = path + end;
            let path = if path.is_empty() {
                "/".to_owned()
            } else {
                path
            };
            (path.matches(":x").count() < 2).then_some(path)
        })
}

fn methods() -> impl Strategy<Value = Vec<String>> {
    let method = prop_oneof![Just("GET"), Just("POST"), Just("HEAD")].prop_map(str::to_owned);
    proptest::collection::vec(method, 0..3)
}

fn host() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some("a.b.c".to_owned())),
        1 => Just(Some("*.b.c".to_owned())),
        1 => Just(Some("*.c".to_owned())),
    ]
}

proptest! {
    #[test]
    fn the_router_agrees_with_a_search_through_all_routes(
        routes in proptest::collection::vec((methods(), host(), pattern()), 1..20),
        requests in proptest::collection::vec((
            prop_oneof![Just("GET"), Just("HEAD"), Just("POST"), Just("PUT")],
            prop_oneof![Just("a.b.c"), Just("x.b.c"), Just("c"), Just("x")],
            "(/(a|b|c|d|)){1,4}",
        ), 1..20),
    ) {
        // Routes that are equal to earlier ones are left out, as the router refuses them.
        let mut kept = Vec::new();
        for candidate in routes {
            kept.push(candidate);
            if router(&kept).is_err() {
                kept.pop();
            }
        }
        let router = router(&kept).unwrap();

        for (method, host, path) in requests {
            let found = match router.find(&method.parse().unwrap(), host, &path) {
                Found::Route(found) => Some(*found.target()),
                Found::OtherMethods(allowed) => {
                    prop_assert!(!allowed.iter().any(|allowed| allowed == method));
                    for allowed in &allowed {
                        prop_assert!(naive(&kept, allowed.as_str(), host, &path).is_some());
                    }
                    None
                }
                Found::Nothing => {
                    for method in ["GET", "HEAD", "POST"] {
                        prop_assert_eq!(naive(&kept, method, host, &path), None);
                    }
                    None
                }
            };
            prop_assert_eq!(found, naive(&kept, method, host, &path), "{} {} {}", method, host, path);
        }
    }

    #[test]
    fn no_path_and_no_pattern_confuses_the_router(patterns in proptest::collection::vec("\\PC{0,12}", 0..8), path in "\\PC*") {
        let routes = patterns.iter().map(|pattern| Route::new(&format!("/{pattern}"), &[], &[], ()));
        if let Ok(router) = Router::new(routes.collect())
            && let Found::Route(found) = router.find(&Method::GET, &path, &path)
        {
            let _ = (found.parameters().count(), found.rest());
        }
    }
}

fn router(routes: &[(Vec<String>, Option<String>, String)]) -> Result<Router<usize>, RouteError> {
    let routes = routes
        .iter()
        .enumerate()
        .map(|(index, (methods, host, path))| {
            let hosts: Vec<_> = host.iter().cloned().collect();
            Route::new(path, methods, &hosts, index)
        });
    Router::new(routes.collect())
}
