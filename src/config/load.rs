//! From a file to settings, or to everything that is wrong with it.

use std::fs;
use std::path::{Path, PathBuf};

use super::checks::{self, Places};
use super::reader::{Located, Node, Place, Reader, Table};
use super::region::RegionPlaces;
use super::{
    Admin, App, Backend, Clients, Env, Finding, Limits, Listener, Log, PassThrough, Regions, Replay, Seal,
    Settings, Severity, Shutdown, Store, Throttle, Traces, Upstream, overrides,
};
use crate::account::Country;

/// What fits into `sun_path` (unix(7)), with room for the name that the socket has while it is made.
const SOCKET_PATH_BYTES: usize = 100;

impl Settings {
    /// Reads a config file. Good settings may come with warnings.
    ///
    /// # Errors
    /// Everything that is wrong with the file, in the order of its lines.
    pub fn load(path: &Path, env: Env<'_>) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let file = path.display().to_string();
        let refuse = |message: String, hint: &str| {
            Err(vec![Finding {
                file: file.clone(),
                line: 0,
                column: 0,
                message,
                hint: hint.to_owned(),
                severity: Severity::Error,
            }])
        };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return refuse(format!("can't read it: {error}"), "name a file that exists"),
        };
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&file, &text, env),
            Err(_) => refuse("not UTF-8 text".to_owned(), "save it as UTF-8"),
        }
    }

    /// The same for the text of a file; `file` is what findings call it.
    ///
    /// # Errors
    /// Everything that is wrong with the text, in the order of its lines.
    pub fn parse(file: &str, text: &str, env: Env<'_>) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let reader = Reader::new(file, text, env);
        let settings = read(&reader);
        let findings = reader.into_findings();
        let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
        match settings {
            Some(settings) if !failed => Ok((settings, findings)),
            _ => Err(findings),
        }
    }
}

fn read(reader: &Reader<'_>) -> Option<Settings> {
    let document = reader.parse()?;
    let read = |table: &mut Table<'_>| read_document(table);
    let (mut settings, places) = Table::walk(reader, "the file", document.get_ref(), Place::File, read);
    settings.backends = Backend::of(&settings);
    overrides::apply(reader, &mut settings);
    checks::check(reader, &settings, &places);
    Some(settings)
}

fn read_document(table: &mut Table<'_>) -> (Settings, Places) {
    let data_dir = table.read("data_dir", path);
    let upgrade_socket = table.read("upgrade_socket", socket).flatten();
    let dialects_dir = table.read("dialects_dir", path).flatten();
    table.reader.know_dialects(super::dialects::known(dialects_dir.as_deref()));
    let default_country = table.read("default_country", country);
    if !table.has("listener") {
        let hint = "add a [[listener]] with `address = \"127.0.0.1:8080\"`";
        table.error("listener", "nothing to listen on", hint);
    }
    let listeners = tables(table, "listener", "[[listener]]", Listener::read);
    let apps = tables(table, "app", "[[app]]", App::read);
    let admin = section(table, "admin", "[admin]", Admin::read)
        .unwrap_or_else(|| Some(Located { value: Admin::loopback(), place: Place::File }));
    if !table.has("upstream") {
        let hint = "add an [upstream] with `kind = \"embedded\"`, or with `kind = \"http\"` and its address";
        table.error("upstream", "nothing to send calls to: [upstream] is missing", hint);
    }
    let upstream = section(table, "upstream", "[upstream]", Upstream::read);
    let pass_through = table.read("pass_through", |node| {
        node.list(|item| item.table("[[pass_through]]", PassThrough::read).flatten())
    });
    let limits = section(table, "limits", "[limits]", Limits::read);
    let clients = Clients::read(table);
    let throttle = section(table, "throttle", "[throttle]", Throttle::read);
    let replay = section(table, "replay", "[replay]", Replay::read).unwrap_or_default();
    let store = section(table, "store", "[store]", |table| Store::read(table, replay.scope));
    let seal = section(table, "seal", "[seal]", Seal::read);
    let (regions, region_places) = section(table, "region", "[region]", Regions::read)
        .unwrap_or_else(|| (Regions::default(), RegionPlaces::nowhere()));
    let shutdown = section(table, "shutdown", "[shutdown]", Shutdown::read);
    let log = section(table, "log", "[log]", Log::read);
    let traces = section(table, "traces", "[traces]", Traces::read);
    let places = Places {
        listeners: places(&listeners),
        apps: places(&apps),
        admin: admin.as_ref().map_or(Place::File, |admin| admin.place.clone()),
        upstream_app: table.place("upstream"),
        data_dir: table.place("data_dir"),
        store: table.place("store"),
        pass_through: table.place("pass_through"),
        regions: region_places,
    };
    // Where a part is wrong, which is noted by now, a default stands in for it, so that the
    // checks over all parts still find what else is wrong.
    let settings = Settings {
        listeners: values(listeners),
        admin: admin.map(|admin| admin.value),
        dialects: table.reader.dialects().clone(),
        dialects_dir,
        data_dir: data_dir.unwrap_or_else(|| Some("data".into())),
        upgrade_socket,
        upstream: upstream.flatten().unwrap_or(Upstream::Embedded),
        pass_through: pass_through.unwrap_or_default(),
        apps: values(apps),
        limits: limits.unwrap_or_default(),
        clients,
        replay,
        throttle: throttle.unwrap_or_default(),
        store: store.unwrap_or_default(),
        seal: seal.unwrap_or_default(),
        regions,
        shutdown: shutdown.unwrap_or_default(),
        log: log.unwrap_or_default(),
        traces: traces.flatten(),
        backends: Vec::new(),
        default_country: default_country.unwrap_or(Country::CHINA),
        demo: false,
    };
    (settings, places)
}

fn section<'a, T>(
    table: &mut Table<'a>,
    key: &'static str,
    name: &str,
    read: impl FnOnce(&mut Table<'a>) -> T,
) -> Option<T> {
    table.read(key, |node| node.table(name, read))
}

fn tables<'a, T>(
    table: &mut Table<'a>,
    key: &'static str,
    name: &str,
    read: impl Fn(&mut Table<'a>) -> Option<Located<T>>,
) -> Vec<Located<T>> {
    let parse = |node: Node<'a>| node.list(|item| item.table(name, &read).flatten());
    table.read(key, parse).unwrap_or_default()
}

fn places<T>(located: &[Located<T>]) -> Vec<Place> {
    located.iter().map(|item| item.place.clone()).collect()
}

fn values<T>(located: Vec<Located<T>>) -> Vec<T> {
    located.into_iter().map(|item| item.value).collect()
}

/// A path; an empty text is none.
fn path(node: Node<'_>) -> Option<Option<PathBuf>> {
    let text = node.text()?;
    Some((!text.is_empty()).then(|| PathBuf::from(text)))
}

/// A socket of this machine; an empty text is none.
fn socket(node: Node<'_>) -> Option<Option<PathBuf>> {
    let text = node.text()?;
    if text.len() > SOCKET_PATH_BYTES {
        return node.fail(
            format!("{} bytes are too many for the path of a socket", text.len()),
            format!("choose one of at most {SOCKET_PATH_BYTES} bytes"),
        );
    }
    Some((!text.is_empty()).then(|| PathBuf::from(text)))
}

fn country(node: Node<'_>) -> Option<Country> {
    match node.text()?.parse::<Country>() {
        Ok(country) => Some(country),
        Err(error) => node
            .fail(format!("unknown country {:?}", error.0), "give an ISO 3166-1 alpha-2 code such as \"CN\""),
    }
}
