//! Which settings of dialects hold in a translation that no listener and no backend takes part in.

use crate::config::{DialectSettings, Settings};

/// The settings of a client's dialect and of the backend's: those of the config, and further ones as dialect, name and
/// value. `upstream` is the backend's dialect; `None` is the configured one.
pub fn chosen(
    settings: Option<&Settings>,
    upstream: Option<&str>,
    further: &[(String, String, String)],
) -> [DialectSettings; 2] {
    let [mut client, mut backend] = [DialectSettings::new(), DialectSettings::new()];
    for listener in settings.iter().flat_map(|settings| &settings.listeners) {
        for (dialect, chosen) in &listener.settings {
            client.entry(dialect.clone()).or_insert_with(|| chosen.clone());
        }
    }
    if let Some(http) = settings.and_then(|settings| settings.upstream.http())
        && upstream.is_none_or(|upstream| http.dialect == upstream)
    {
        backend.insert(http.dialect.clone(), http.settings.clone());
    }
    for (dialect, name, value) in further {
        for side in [&mut client, &mut backend] {
            side.entry(dialect.clone()).or_default().insert(name.clone(), value.clone());
        }
    }
    [client, backend]
}
