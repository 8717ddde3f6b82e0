//! A session's token in the head of a request that is no operation: from where one dialect has it to where another
//! one wants it.

use http::{HeaderName, HeaderValue, request};

use super::requests_written::token_value;
use crate::account::Secret;
use crate::dialect::pack::Pack;
use crate::dialect::pack::message::Place;
use crate::query::{QueryWriter, percent_decode};

/// What is done to a head so that the token stands where the backend wants it.
#[derive(Debug)]
pub struct MovedToken {
    /// The fields that are taken out.
    pub removed: Vec<HeaderName>,
    /// The field that holds it now.
    pub inserted: Option<(HeaderName, HeaderValue)>,
    /// The path and query, where the token was or is in the query.
    pub target: Option<String>,
}

impl Pack {
    /// Moves `token` from where a client of this dialect has it to where a backend of the dialect `to` wants it; `None`
    /// where the backend wants it in a body, or nowhere.
    pub fn move_token(&self, to: &Self, head: &request::Parts, token: &Secret) -> Option<MovedToken> {
        let wanted = to.plan.token.write.as_ref()?;
        let inserted = match &wanted.place {
            Place::Header(name) => Some((name.clone(), token_value(wanted, token.expose())?)),
            Place::Query => None,
            _ => return None,
        };
        let read = &self.plan.token.read;
        let held =
            read.iter().filter_map(|place| place.header()).filter(|name| head.headers.contains_key(*name));
        let in_query =
            |name: &str| read.iter().any(|place| matches!(place.place, Place::Query) && *place.name == *name);
        let query = head.uri.query().unwrap_or_default();
        let (taken, mut kept): (Vec<&str>, Vec<&str>) =
            query.split('&').filter(|pair| !pair.is_empty()).partition(|pair| {
                let name = percent_decode(pair.split('=').next().unwrap_or_default(), true);
                name.is_some_and(|name| in_query(&name))
            });
        let mut put = QueryWriter::default();
        if inserted.is_none() {
            put.pair(&wanted.name, token.expose());
        }
        let put = put.finish();
        let changes = !taken.is_empty() || !put.is_empty();
        kept.extend((!put.is_empty()).then_some(put.as_str()));
        let target = || match kept.as_slice() {
            [] => head.uri.path().to_owned(),
            pairs => format!("{}?{}", head.uri.path(), pairs.join("&")),
        };
        Some(MovedToken { removed: held.cloned().collect(), inserted, target: changes.then(target) })
    }
}
