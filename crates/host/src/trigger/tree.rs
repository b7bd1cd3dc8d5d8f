//! The patterns of one host, as a tree of segments.

use std::collections::HashMap;

use http::Method;

use super::pattern::{Pattern, Segment, decode};

/// Routes by method at one place of a tree.
#[derive(Debug, Default)]
struct Methods {
    named: Vec<(Method, usize)>,
    any: Option<usize>,
}

impl Methods {
    fn get(&self, method: &Method) -> Option<usize> {
        let named = |wanted: &Method| {
            self.named
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, index)| *index)
        };
        named(method)
            .or_else(|| {
                if method == Method::HEAD {
                    named(&Method::GET)
                } else {
                    None
                }
            })
            .or(self.any)
    }

    /// Refuses with the number of the route that is there already.
    fn insert(&mut self, methods: &[Method], index: usize) -> Result<(), usize> {
        if methods.is_empty() {
            return match self.any {
                Some(other) if other != index => Err(other),
                _ => {
                    self.any = Some(index);
                    Ok(())
                }
            };
        }
        for method in methods {
            match self.named.iter().find(|(name, _)| name == method) {
                Some((_, other)) if *other != index => return Err(*other),
                Some(_) => {}
                None => self.named.push((method.clone(), index)),
            }
        }
        Ok(())
    }
}

/// The patterns of one host, as a tree of segments.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// The nodes of patterns that only one path matches: most lookups end here.
    paths: HashMap<String, usize>,
    /// Whether there are other patterns.
    has_others: bool,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Vec<u8>, usize>,
    parameter: Option<usize>,
    /// Routes that end here.
    end: Methods,
    /// Routes that take everything from here on.
    rest: Methods,
}

/// The first segment of what is left of a path, and what is left then.
fn split(rest: &str) -> (&str, Option<&str>) {
    match rest.split_once('/') {
        Some((segment, rest)) => (segment, Some(rest)),
        None => (rest, None),
    }
}

impl Tree {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
            paths: HashMap::new(),
            has_others: false,
        }
    }

    /// Refuses with the number of the route that matches the same requests.
    pub(super) fn insert(
        &mut self,
        pattern: &Pattern,
        methods: &[Method],
        index: usize,
    ) -> Result<(), usize> {
        let mut at = 0;
        for segment in &pattern.segments {
            at = self.child(at, segment);
        }
        match pattern.only_path() {
            Some(path) => {
                self.paths.insert(path, at);
            }
            None => self.has_others = true,
        }
        let Some(node) = self.nodes.get_mut(at) else {
            return Ok(());
        };
        if pattern.rest {
            node.rest.insert(methods, index)
        } else {
            node.end.insert(methods, index)
        }
    }

    fn child(&mut self, at: usize, segment: &Segment) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        let child = match segment {
            Segment::Literal(text) => *node.literals.entry(text.clone()).or_insert(new),
            Segment::Parameter(_) => *node.parameter.get_or_insert(new),
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }

    pub(super) fn find(&self, method: &Method, path: &str) -> Option<usize> {
        let direct = self
            .paths
            .get(path)
            .and_then(|at| self.nodes.get(*at))
            .and_then(|node| node.end.get(method));
        // Encoded paths are not in the table, even when their route is.
        if direct.is_some() || !(self.has_others || path.contains('%')) {
            return direct;
        }
        self.walk(0, path.strip_prefix('/'), &mut |methods| {
            methods.get(method)
        })
    }

    pub(super) fn collect_methods(&self, path: &str, found: &mut Vec<Method>) {
        let _: Option<()> = self.walk(0, path.strip_prefix('/'), &mut |methods| {
            found.extend(methods.named.iter().map(|(method, _)| method.clone()));
            None
        });
    }

    /// Visits every place that matches, most specific first, until `visit` is content. Ends at the leaves of the tree:
    /// a long path cannot make it go deeper than the longest pattern.
    fn walk<F>(
        &self,
        at: usize,
        rest: Option<&str>,
        visit: &mut impl FnMut(&Methods) -> Option<F>,
    ) -> Option<F> {
        let node = self.nodes.get(at)?;
        let Some(rest) = rest else {
            return visit(&node.end).or_else(|| visit(&node.rest));
        };
        let (segment, next) = split(rest);
        if let Some(child) = node.literals.get(decode(segment).as_ref())
            && let Some(found) = self.walk(*child, next, visit)
        {
            return Some(found);
        }
        if let Some(child) = node.parameter
            && !segment.is_empty()
            && let Some(found) = self.walk(child, next, visit)
        {
            return Some(found);
        }
        visit(&node.rest)
    }
}
