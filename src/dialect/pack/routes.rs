//! Which request is which: by method and path, or by a route's name in the query or behind a script.

use std::borrow::Cow;

use http::{Method, Uri};

use crate::query::Query;

/// Where a request is addressed.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path in normal form ([`crate::dialect::normalise_path`]).
    pub path: &'a str,
    /// Its query, as it was sent.
    pub query: &'a str,
    /// Whether nothing but this dialect is spoken where it came in, so that paths which it
    /// shares with others are its own.
    pub pinned: bool,
}

/// All routes of a dialect.
#[derive(Debug, Default)]
pub(super) struct Routes {
    pub entries: Vec<Route>,
    pub key: Option<KeyRule>,
}

/// One route.
#[derive(Debug)]
pub(super) struct Route {
    pub methods: Vec<Method>,
    pub address: Address,
    /// The whole path, where it has no holes.
    pub whole: Option<Uri>,
    /// The parts of a name that are left when a careless server has read it; none of a path.
    careless: Vec<String>,
    /// How people write it, for findings and lists.
    pub text: Box<str>,
    /// The operations that it leads to, in the pack's order; none where it is only guarded.
    pub operations: Vec<usize>,
    /// Where the pack's file has it first.
    pub offset: usize,
}

impl Route {
    /// A route that leads to no operation yet.
    pub fn new(methods: Vec<Method>, address: Address, text: &str, offset: usize) -> Self {
        let (whole, careless) = match &address {
            Address::Path(segments) => (whole(segments), Vec::new()),
            Address::Key(name) => (None, careless_parts(name)),
        };
        Self { methods, address, whole, careless, text: text.into(), operations: Vec::new(), offset }
    }
}

fn whole(segments: &[Segment]) -> Option<Uri> {
    let mut path = String::new();
    for segment in segments {
        let Segment::Fixed(text) = segment else { return None };
        path.extend(["/", text]);
    }
    path.parse().ok().filter(|uri: &Uri| uri.path() == path)
}

/// What a server keeps of a route's name that drops what is no letter or digit, and cuts names at a dot.
fn careless_parts(name: &str) -> Vec<String> {
    let plain = |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).collect() };
    let part = |part: &str| plain(&part.split('.').next().unwrap_or_default().to_ascii_lowercase());
    name.split(['/', '|', '\\']).map(part).filter(|part| !part.is_empty()).collect()
}

/// How a route is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Path(Vec<Segment>),
    /// By the name that the key rule finds.
    Key(Box<str>),
}

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Fixed(Box<str>),
    Hole(Box<str>),
}

/// Where the name of a route stands, and how its spellings become one.
#[derive(Debug)]
pub(super) struct KeyRule {
    pub places: Vec<KeyPlace>,
    pub ignore_case: bool,
    pub strip_suffixes: Vec<Box<str>>,
    /// Method and path of requests to a backend, and the query member that holds the name.
    pub method: Method,
    pub path: Box<str>,
    pub parameter: Box<str>,
}

/// One place for the name of a route.
#[derive(Debug)]
pub(super) struct KeyPlace {
    /// The query member; `None` where the name is the path's tail.
    pub query: Option<Box<str>>,
    /// The script that the query is for, or what the tail stands behind.
    pub path: Box<str>,
    /// What stands before the name, and says that it is one.
    pub prefix: Option<Box<str>>,
    /// Whether it counts only where nothing but this dialect is spoken.
    pub pinned: bool,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Route(usize, Vec<(&'a str, Cow<'a, str>)>),
    WrongMethod,
    /// The request names two routes.
    Ambiguous,
    Foreign,
}

impl Routes {
    pub fn find<'a>(&'a self, target: Target<'a>) -> Found<'a> {
        let key = match self.key.as_ref().map(|rule| rule.name(target)) {
            None | Some(Key::None) => None,
            Some(Key::Twice) => return Found::Ambiguous,
            Some(Key::Name(name)) if self.is_disguised(&name) => return Found::Ambiguous,
            Some(Key::Name(name)) => Some(name),
        };
        let mut wrong_method = false;
        for (index, route) in self.entries.iter().enumerate() {
            let holes = match (&route.address, &route.whole, &key) {
                (_, Some(whole), _) => (whole.path() == target.path).then(Vec::new),
                (Address::Path(segments), None, _) => matches(segments, target.path),
                (Address::Key(name), None, Some(key)) => (**name == **key).then(Vec::new),
                (Address::Key(_), None, None) => None,
            };
            let Some(holes) = holes else { continue };
            if route.methods.contains(target.method) {
                return Found::Route(index, holes);
            }
            wrong_method = true;
        }
        if wrong_method { Found::WrongMethod } else { Found::Foreign }
    }

    /// Whether a name is none of the routes as it stands, and one of them to a server that takes what
    /// follows for parameters, drops what is no letter or digit, or cuts names at a dot.
    fn is_disguised(&self, name: &str) -> bool {
        let named = careless_parts(name);
        self.entries.iter().any(|route| match &route.address {
            Address::Key(key) => {
                let known = &route.careless;
                **key != *name && (named.starts_with(known) || named.iter().skip(1).eq(known.iter()))
            }
            Address::Path(_) => false,
        })
    }

    /// Whether the query names a route, whatever the path is: a server that rewrites all paths to its
    /// script takes the name from there.
    pub fn named_anywhere(&self, target: Target<'_>) -> bool {
        let places = self.key.iter().flat_map(|rule| &rule.places).filter(|place| place.query.is_some());
        places.into_iter().any(|place| {
            let path = format!("/{}", place.path);
            self.find(Target { path: &path, ..target }) != Found::Foreign
        })
    }
}

fn matches<'a>(segments: &'a [Segment], path: &'a str) -> Option<Vec<(&'a str, Cow<'a, str>)>> {
    let mut holes = Vec::new();
    let mut parts = path.strip_prefix('/')?.split('/');
    for segment in segments {
        let part = parts.next()?;
        match segment {
            Segment::Fixed(text) if **text == *part => {}
            Segment::Hole(name) if !part.is_empty() => holes.push((name.as_ref(), Cow::Borrowed(part))),
            _ => return None,
        }
    }
    parts.next().is_none().then_some(holes)
}

enum Key {
    None,
    Twice,
    Name(String),
}

impl KeyRule {
    fn name(&self, target: Target<'_>) -> Key {
        let path = if self.ignore_case { target.path.to_ascii_lowercase() } else { target.path.to_owned() };
        let mut found: Option<String> = None;
        for place in self.places.iter().filter(|place| !place.pinned || target.pinned) {
            let names = match &place.query {
                Some(_) if !runs(&path, &place.path) => Vec::new(),
                Some(parameter) => match names_in_query(target.query, parameter) {
                    Ok(names) => names,
                    Err(()) => return Key::Twice,
                },
                None => tail(&path, &place.path).into_iter().collect(),
            };
            for name in names {
                let Some(name) = self.normalise(&name, place.prefix.as_deref()) else { continue };
                match &found {
                    Some(known) if *known != name => return Key::Twice,
                    _ => found = Some(name),
                }
            }
        }
        found.map_or(Key::None, Key::Name)
    }

    /// The one spelling of a route's name; `None` where it is empty, or has not the prefix that says that it is one.
    pub fn normalise(&self, name: &str, prefix: Option<&str>) -> Option<String> {
        let name = if self.ignore_case { name.to_ascii_lowercase() } else { name.to_owned() };
        let segments: Vec<&str> = name.split('/').filter(|segment| !segment.is_empty()).collect();
        let mut name = segments.join("/");
        for suffix in &self.strip_suffixes {
            if let Some(stripped) = name.strip_suffix(&**suffix) {
                name = stripped.to_owned();
            }
        }
        match prefix {
            Some(prefix) => name.strip_prefix(prefix).map(str::to_owned),
            None => Some(name),
        }
        .filter(|name| !name.is_empty())
    }
}

/// Whether the path leads to the script, in whatever directory it lies and whatever stands behind it.
fn runs(path: &str, script: &str) -> bool {
    path.match_indices(script).any(|(start, _)| {
        let (before, rest) = path.split_at(start);
        let after = rest.strip_prefix(script).unwrap_or_default();
        (before.is_empty() || before.ends_with('/')) && (after.is_empty() || after.starts_with('/'))
    })
}

/// What stands behind the script's name.
fn tail(path: &str, script: &str) -> Option<String> {
    let start = path.find(script)?;
    let before = path.get(..start)?;
    let after = path.get(start + script.len()..)?;
    ((before.is_empty() || before.ends_with('/')) && !after.is_empty()).then(|| after.to_owned())
}

/// The values of a query member; two that differ name two routes, and so does a query that can't be read.
fn names_in_query(query: &str, parameter: &str) -> Result<Vec<String>, ()> {
    let query = Query::parse(query).ok_or(())?;
    // PHP drops white space in front of a name, and what follows a NUL.
    let bare = |name: &str| name.split('\0').next().unwrap_or_default().trim_start().to_owned();
    let named = query.iter().filter(|pair| bare(&pair.name).eq_ignore_ascii_case(parameter));
    let names: Vec<String> = named.map(|pair| pair.value.to_string()).collect();
    if names.len() > 1 { Err(()) } else { Ok(names) }
}
