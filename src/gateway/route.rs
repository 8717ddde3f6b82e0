//! Which dialect claims a request, and what may pass at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_ENCODING, HOST};
use http::{HeaderMap, HeaderValue, Method, request};

use super::BuildError;
use super::roster::Roster;
use crate::account::{Operation, ProblemCode};
use crate::config::{PassThrough, Settings};
use crate::dialect::{CANONICAL, Claim, Dialect, Pack, Target, careless_path, normalise_path};

/// Fields by which a request asks to be taken for another one.
const DISGUISES: [&str; 5] =
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// The methods that account routes have.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The methods that a path takes: one bit for each of [`METHODS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Methods(u8);

impl Methods {
    fn that(takes: impl Fn(&Method) -> bool) -> Self {
        let bits = METHODS.iter().enumerate().filter(|(_, method)| takes(method));
        Self(bits.fold(0, |all, (bit, _)| all | 1 << bit))
    }

    /// The value of the Allow field, which an answer of method_not_allowed must have.
    pub fn allow(self) -> Option<HeaderValue> {
        let names = METHODS.iter().enumerate().filter(|(bit, _)| self.0 & 1 << bit != 0);
        let names: Vec<&str> = names.map(|(_, method)| method.as_str()).collect();
        HeaderValue::try_from(names.join(", ")).ok().filter(|_| !names.is_empty())
    }
}

/// What is done with a request, decided from its head alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// An account call: read the body, then [`super::Gateway::exchange`].
    Account {
        /// Index of the dialect that claims it, within the gateway.
        dialect: usize,
        /// The operation; the body may still tell a login with a code from one with a password.
        operation: Operation,
    },
    /// Passed on as it is, streaming.
    PassThrough,
    /// Answered at once with [`super::Gateway::refuse`].
    Refused {
        /// Index of the dialect that answers, within the gateway.
        dialect: usize,
        /// One of not_found, method_not_allowed, not_permitted, unsupported_media_type or invalid_request.
        code: ProblemCode,
        /// What the path takes, with method_not_allowed.
        methods: Methods,
    },
}

impl Route {
    /// The operation, where the path tells.
    pub fn operation(self) -> Option<Operation> {
        match self {
            Self::Account { operation, .. } => Some(operation),
            Self::PassThrough | Self::Refused { .. } => None,
        }
    }

    pub(super) fn dialect(self) -> Option<usize> {
        match self {
            Self::Account { dialect, .. } | Self::Refused { dialect, .. } => Some(dialect),
            Self::PassThrough => None,
        }
    }
}

/// What is spoken at a listener, or at one of its host names.
#[derive(Clone)]
struct Spoken {
    /// Dialects that may be spoken here, those that sign first: a route that two of them claim
    /// belongs to the signed one, so that nobody chooses a weaker dialect.
    dialects: Vec<usize>,
    default_dialect: usize,
}

struct ListenerRoutes {
    everywhere: Spoken,
    /// Host names at which one dialect alone is spoken.
    hosts: Vec<(String, Spoken)>,
}

impl ListenerRoutes {
    fn spoken(&self, head: &request::Parts) -> &Spoken {
        if self.hosts.is_empty() {
            return &self.everywhere;
        }
        let field = || head.headers.get(HOST).and_then(|value| value.to_str().ok());
        let host = head.uri.host().or_else(|| field().map(without_port)).unwrap_or_default();
        let pinned = self.hosts.iter().find(|(name, _)| name.eq_ignore_ascii_case(host));
        pinned.map_or(&self.everywhere, |(_, spoken)| spoken)
    }
}

/// `shop.example:8080` without its port; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// All listeners' routes.
pub(super) struct Routes {
    dialects: Arc<[Arc<Pack>]>,
    listeners: Vec<ListenerRoutes>,
    /// Those of all backends that something may pass through to.
    upstream_dialects: Vec<usize>,
    pass_through: Vec<PassThrough>,
    /// The demo's secret is public, so nobody may reach it through a proxy of this machine.
    demo: bool,
}

impl Routes {
    pub(super) fn new(
        settings: &Settings,
        roster: &mut Roster,
        upstream_dialects: Vec<usize>,
        signatures_enforced: bool,
    ) -> Result<Self, BuildError> {
        let none = BTreeMap::new();
        let mut listeners = Vec::new();
        for listener in &settings.listeners {
            let chosen = |name: &str| listener.settings.get(name).unwrap_or(&none);
            let mut open = Vec::new();
            for name in &listener.dialects {
                let index = roster.index(name, chosen(name))?;
                let signs = roster.signs(index);
                if !signatures_enforced || signs || listener.unsigned.contains(name) {
                    open.push((!signs, index));
                }
            }
            // Those that sign come first, else in the order that the config gives.
            open.sort_by_key(|(unsigned, _)| *unsigned);
            let default = listener.default_dialect.as_deref().unwrap_or(CANONICAL);
            let default_dialect = roster.index(default, chosen(default))?;
            let dialects: Vec<usize> = open.into_iter().map(|(_, index)| index).collect();
            let mut hosts = Vec::new();
            for (host, name) in &listener.hosts {
                let index = roster.index(name, chosen(name))?;
                let alone = dialects.iter().copied().filter(|open| *open == index).collect();
                hosts.push((host.clone(), Spoken { dialects: alone, default_dialect: index }));
            }
            listeners.push(ListenerRoutes { everywhere: Spoken { dialects, default_dialect }, hosts });
        }
        let pass_through = settings.pass_through.clone();
        let dialects = roster.packs();
        Ok(Self { dialects, listeners, upstream_dialects, pass_through, demo: settings.demo })
    }

    /// The routes of one dialect where nothing else is spoken.
    pub(super) fn alone(dialect: Arc<Pack>) -> Self {
        let everywhere = Spoken { dialects: vec![0], default_dialect: 0 };
        let listeners = vec![ListenerRoutes { everywhere, hosts: Vec::new() }];
        let dialects = Arc::from([dialect]);
        Self { dialects, listeners, upstream_dialects: vec![0], pass_through: Vec::new(), demo: false }
    }

    pub(super) fn dialects(&self) -> &Arc<[Arc<Pack>]> {
        &self.dialects
    }

    pub(super) fn open(&self, listener: usize) -> impl Iterator<Item = usize> {
        self.listeners
            .get(listener)
            .into_iter()
            .flat_map(|listener| listener.everywhere.dialects.iter().copied())
    }

    pub(super) fn default_dialect(&self, listener: usize) -> usize {
        self.listeners.get(listener).map_or(0, |listener| listener.everywhere.default_dialect)
    }

    pub(super) fn route(&self, listener: usize, head: &request::Parts) -> Route {
        let spoken = self.listeners.get(listener).map(|listener| listener.spoken(head));
        let nobody = spoken.map_or(0, |spoken| spoken.default_dialect);
        let open = spoken.map_or(&[][..], |spoken| &spoken.dialects);
        if self.demo && is_forwarded(&head.headers) {
            return refused(nobody, ProblemCode::NotPermitted);
        }
        let Some(path) = normalise_path(head.uri.path()) else {
            return refused(nobody, ProblemCode::InvalidRequest);
        };
        let claims = open.iter().filter_map(|index| Some((*index, self.dialects.get(*index)?)));
        let pinned = open.len() == 1;
        let query = head.uri.query().unwrap_or_default();
        let target = Target { method: &head.method, path: &path, query, pinned };
        let mut wrong_method = None;
        for (index, dialect) in claims {
            match dialect.claim(target) {
                Claim::Operation(operation) => return account(index, operation, &head.headers),
                Claim::NoOperation => return refused(index, ProblemCode::NotSupported),
                Claim::Ambiguous => return refused(index, ProblemCode::InvalidRequest),
                Claim::WrongMethod => wrong_method = wrong_method.or(Some(index)),
                Claim::Foreign => {}
            }
        }
        if let Some(dialect) = wrong_method {
            let methods = Methods::that(|method| self.takes(open, Target { method, ..target }));
            return Route::Refused { dialect, code: ProblemCode::MethodNotAllowed, methods };
        }
        if self.may_pass(head, &path) { Route::PassThrough } else { refused(nobody, ProblemCode::NotFound) }
    }

    fn takes(&self, open: &[usize], target: Target<'_>) -> bool {
        let mut dialects = open.iter().filter_map(|index| self.dialects.get(*index));
        dialects.any(|dialect| matches!(dialect.claim(target), Claim::Operation(_)))
    }

    /// Whether the config has the token of a request moved that passes through.
    pub(super) fn moves_token(&self, head: &request::Parts) -> bool {
        let path = normalise_path(head.uri.path());
        let rules = || self.pass_through.iter().filter(|rule| rule.move_token);
        path.is_some_and(|path| rules().any(|rule| rule.covers(&head.method, &path)))
    }

    /// Only what the config lists, and never what the upstream could take for an account route of its
    /// own: offered to clients or not, those go through the guards.
    fn may_pass(&self, head: &request::Parts, path: &str) -> bool {
        let listed = self.pass_through.iter().any(|rule| rule.covers(&head.method, path));
        let upstreams = self.upstream_dialects.iter().map(|index| self.dialects.get(*index));
        let guarded = upstreams.into_iter().any(|dialect| {
            let Some(dialect) = dialect else { return true };
            let query = head.uri.query().unwrap_or_default();
            let claims = |path: &str| {
                let target = Target { method: &head.method, path, query, pinned: true };
                dialect.claim(target) != Claim::Foreign
            };
            let target = Target { method: &head.method, path, query, pinned: true };
            claims(path) || claims(&careless_path(path)) || dialect.is_named_by_query(target)
        });
        listed && !guarded && !is_disguised(&head.headers)
    }
}

fn refused(dialect: usize, code: ProblemCode) -> Route {
    Route::Refused { dialect, code, methods: Methods::default() }
}

fn account(dialect: usize, operation: Operation, headers: &HeaderMap) -> Route {
    // Of two tokens or signatures nobody could say which one counts.
    if is_disguised(headers) || headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return refused(dialect, ProblemCode::InvalidRequest);
    }
    let plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return refused(dialect, ProblemCode::UnsupportedMediaType);
    }
    Route::Account { dialect, operation }
}

fn is_disguised(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("x-") && DISGUISES.contains(&name.as_str()))
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    let forwards =
        |name: &str| name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "x-real-ip" | "via");
    headers.keys().any(|name| forwards(name.as_str()))
}
