//! `[routes]`: how routes without a path of their own are known, and routes that are guarded only.

use http::Method;

use super::values;
use crate::config::reader::{Node, Table};
use crate::dialect::pack::routes::{Address, KeyPlace, KeyRule, Route, Routes, Segment};

/// The key rule, the methods of routes that name none, and routes that lead to no operation.
#[derive(Default)]
pub(super) struct Read {
    pub key: Option<KeyRule>,
    pub methods: Vec<Method>,
}

pub(super) fn read(table: &mut Table<'_>) -> (Read, Vec<Route>) {
    let methods = table.read("methods", values::methods).unwrap_or_default();
    let key = if table.has("key") { read_key(table) } else { None };
    let guarded = table.read("guarded", |node| {
        node.list(|item| {
            let text = item.text()?;
            parse(item, text, &methods)
        })
    });
    (Read { key, methods }, guarded.unwrap_or_default())
}

fn read_key(table: &mut Table<'_>) -> Option<KeyRule> {
    let places = table.read("key", |node| node.list(|item| item.table("key", read_place).flatten()));
    let ignore_case = table.read("ignore_case", Node::boolean).unwrap_or(false);
    let strip = table.read("strip", |node| node.list(Node::text)).unwrap_or_default();
    let write = table.need("write", |node| {
        let text = node.text()?;
        let parsed = text.split_once(' ').and_then(|(method, target)| {
            let (path, query) = target.split_once('?')?;
            let parameter = query.strip_suffix("={route}")?;
            Some((values::method(method)?, path, parameter))
        });
        parsed.or_else(|| {
            node.fail(
                "not the form of a request with a route's name",
                "write it as `POST /api.php?s={route}`",
            )
        })
    });
    let (method, path, parameter) = write?;
    Some(KeyRule {
        places: places?,
        ignore_case,
        strip_suffixes: strip.into_iter().map(Into::into).collect(),
        method,
        path: path.into(),
        parameter: parameter.into(),
    })
}

fn read_place(table: &mut Table<'_>) -> Option<KeyPlace> {
    let query = table.read("query", Node::text).map(Into::into);
    let path = table.need("path", Node::text);
    let prefix = table.read("prefix", Node::text).map(Into::into);
    let pinned = table.read("pinned", Node::boolean).unwrap_or(false);
    Some(KeyPlace { query, path: path?.into(), prefix, pinned })
}

/// `POST /api/user/login`, `GET /api/users/{id}`, or the bare name of a route, `user/login`.
pub(super) fn parse(node: Node<'_>, text: &str, methods: &[Method]) -> Option<Route> {
    if let Some((method, path)) = text.split_once(' ') {
        let Some(method) = values::method(method) else {
            return node.fail(format!("unknown method {method:?}"), "write GET, POST, PUT, PATCH or DELETE");
        };
        let Some(path) = path.strip_prefix('/') else {
            return node
                .fail(format!("the path of {text:?} does not begin with a slash"), "write `POST /path`");
        };
        let segments = path.split('/').map(segment).collect();
        let address = Address::Path(segments);
        return Some(Route::new(vec![method], address, text, node.place().offset()));
    }
    if methods.is_empty() || text.starts_with('/') {
        return node.fail(format!("{text:?} is no route"), "write method and path, `POST /api/user/login`");
    }
    Some(Route::new(methods.to_vec(), Address::Key(text.into()), text, node.place().offset()))
}

fn segment(text: &str) -> Segment {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(name) => Segment::Hole(name.into()),
        None => Segment::Fixed(text.into()),
    }
}

impl Routes {
    /// The place of a route, added when it is new.
    pub(super) fn place(&mut self, route: Route, operation: usize) -> usize {
        let same = |known: &Route| known.address == route.address && known.methods == route.methods;
        let index = self.entries.iter().position(same).unwrap_or(self.entries.len());
        if index == self.entries.len() {
            self.entries.push(route);
        }
        if let Some(entry) = self.entries.get_mut(index)
            && !entry.operations.contains(&operation)
        {
            entry.operations.push(operation);
        }
        index
    }

    /// Adds a route that leads to no operation.
    pub(super) fn guard(&mut self, route: Route) {
        self.entries.push(route);
    }
}
