//! Who an account is: phones, e-mail addresses, names, and the identifier that may be any of them.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// A country, as an ISO 3166-1 alpha-2 code that the phone metadata knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Country(Region);

impl Country {
    /// Mainland China, the country of all four legacy dialects.
    pub const CHINA: Self = Self(Region::CN);

    /// The ISO 3166-1 alpha-2 code, in capitals.
    pub fn code(self) -> String {
        self.0.as_region_str().to_string()
    }
}

/// The text is no country code that the phone metadata knows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown country {0:?}: give an ISO 3166-1 alpha-2 code such as \"CN\"")]
pub struct UnknownCountry(pub String);

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownCountry(text.to_owned());
        let region = Region::from_code(&text.to_ascii_uppercase()).map_err(|_| unknown())?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| Self(region)).ok_or_else(unknown)
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

/// A possible telephone number in its one normal form, E.164 (`+8613800138001`).
/// "Possible" is judged by length, not by number ranges. `Debug` prints it masked.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone {
    e164: String,
    calling_code: u16,
}

/// The text is no possible telephone number. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a possible phone number")]
pub struct NotAPhone;

impl Phone {
    /// Reads a number in any usual spelling: international with `+` or `00`, national in
    /// `default_country`, with spaces, hyphens, brackets or full-width digits.
    pub fn parse(text: &str, default_country: Country) -> Result<Self, NotAPhone> {
        let text = text.trim();
        if let Some(phone) = Self::mainland_mobile(text, default_country) {
            return Ok(phone);
        }
        if text.is_empty() || text.len() > 64 || text.chars().any(char::is_alphabetic) {
            return Err(NotAPhone);
        }
        Self::parse_with_metadata(text, default_country)
    }

    /// The same for dialects whose numbers are international but may have lost their plus, as
    /// coolkit's may: `+digits` is tried first, then `default_country`.
    pub fn parse_plus_optional(text: &str, default_country: Country) -> Result<Self, NotAPhone> {
        let text = text.trim();
        if text.starts_with(|c: char| c.is_ascii_digit() && c != '0')
            && let Ok(phone) = Self::parse(&format!("+{text}"), default_country)
        {
            return Ok(phone);
        }
        Self::parse(text, default_country)
    }

    /// Reads a number that must be written in E.164 exactly, as the canonical dialect has it.
    pub fn from_e164(text: &str) -> Result<Self, NotAPhone> {
        let phone = Self::parse_in(text, Country::CHINA)?;
        if phone.e164 == text { Ok(phone) } else { Err(NotAPhone) }
    }

    /// Reads a number from a national part and a country calling code ("86").
    pub fn from_parts(calling_code: &str, national: &str) -> Result<Self, NotAPhone> {
        let calling_code = calling_code.trim_start_matches('+');
        if calling_code.is_empty() || !calling_code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAPhone);
        }
        Self::parse_in(&format!("+{calling_code}{}", national.trim()), Country::CHINA)
    }

    fn parse_in(text: &str, country: Country) -> Result<Self, NotAPhone> {
        match Self::mainland_mobile(text, country) {
            Some(phone) => Ok(phone),
            None => Self::parse_with_metadata(text, country),
        }
    }

    /// Most callers have a mainland mobile number in its plain spelling, `1[3-9]` and nine digits.
    /// That is its normal form already, which the metadata would say at a hundred times the cost.
    fn mainland_mobile(text: &str, country: Country) -> Option<Self> {
        let national = match text.strip_prefix("+86") {
            Some(national) => national,
            None if country == Country::CHINA => text,
            None => return None,
        };
        let [b'1', b'3'..=b'9', rest @ ..] = national.as_bytes() else { return None };
        // 179 begins what is dialled before numbers abroad (17900 00 …), and that the metadata know.
        let plain = rest.len() == 9 && rest.iter().all(u8::is_ascii_digit) && !national.starts_with("179");
        plain.then(|| Self { e164: ["+86", national].concat(), calling_code: 86 })
    }

    fn parse_with_metadata(text: &str, country: Country) -> Result<Self, NotAPhone> {
        let number: PhoneNumber = PHONE_NUMBER_UTIL.parse(text, Some(country.0)).map_err(|_| NotAPhone)?;
        if number.extension.is_some() || !PHONE_NUMBER_UTIL.is_possible_number(&number) {
            return Err(NotAPhone);
        }
        let calling_code = u16::try_from(number.country_code).map_err(|_| NotAPhone)?;
        let e164 = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned();
        // Of several prefixes the metadata take off one, so that the form may be read as yet another
        // number. Such a number could be counted twice, and it reaches nobody.
        if PHONE_NUMBER_UTIL.parse(&e164, None).ok().as_ref() != Some(&number) {
            return Err(NotAPhone);
        }
        Ok(Self { e164, calling_code })
    }

    /// The number in E.164, for the wire and for keyed hashes; never for a log.
    pub fn e164(&self) -> &str {
        &self.e164
    }

    /// The country calling code, such as 86.
    pub fn calling_code(&self) -> u16 {
        self.calling_code
    }

    /// The digits behind the country calling code.
    pub fn national(&self) -> &str {
        let code_digits = self.calling_code.checked_ilog10().unwrap_or(0) as usize + 1;
        self.e164.get(1 + code_digits..).unwrap_or_default()
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let national = self.national();
        let tail = national.get(national.len().saturating_sub(2)..).unwrap_or_default();
        write!(f, "+{}*****{tail}", self.calling_code)
    }
}

/// An e-mail address, trimmed, the host in lower case. `Debug` prints it masked.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// The text is no e-mail address. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an e-mail address")]
pub struct NotAnEmail;

impl Email {
    /// Reads an address: one `@` with text on both sides, no white space or control
    /// characters, at most 254 bytes. What lies beyond is the mail server's to judge.
    pub fn parse(text: &str) -> Result<Self, NotAnEmail> {
        let text = text.trim();
        let (local, host) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let clean = |c: char| !c.is_whitespace() && !c.is_control() && c != '@';
        let fits = !local.is_empty() && !host.is_empty() && text.len() <= 254;
        if !fits || !local.chars().all(clean) || !host.chars().all(clean) {
            return Err(NotAnEmail);
        }
        Ok(Self(format!("{local}@{}", host.to_lowercase())))
    }

    /// The address, for the wire and for keyed hashes; never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two spellings of one address compare equal: ASCII in lower case. Beyond ASCII
    /// different letters share a lower case (`K`, the Kelvin sign, and `k`), and the mailboxes of
    /// different people a key.
    pub fn comparison_key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.rsplit_once('@').map_or("", |(_, host)| host);
        let first = self.0.chars().next().unwrap_or('*');
        write!(f, "{first}***@{host}")
    }
}

/// What a login names, where the dialect does not say which kind it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// A possible telephone number.
    Phone(Phone),
    /// A text with an `@`.
    Email(Email),
    /// Anything else.
    Username(String),
}

impl Identifier {
    /// Sorts a text by its shape: with `@` an e-mail, a possible number a phone, else a username.
    pub fn classify(text: &str, default_country: Country) -> Self {
        if let Ok(email) = Email::parse(text) {
            return Self::Email(email);
        }
        match Phone::parse(text, default_country) {
            Ok(phone) => Self::Phone(phone),
            Err(NotAPhone) => Self::Username(text.to_owned()),
        }
    }
}

/// The form in which texts are compared that name the same: NFKC, lower case, trimmed.
pub fn folded(text: &str) -> String {
    text.trim().nfkc().collect::<String>().to_lowercase()
}

/// Spellings of one account's name come out as one text, also where a phone stands as a username.
pub fn compared(name: &str, country: Country) -> String {
    let folded = folded(name);
    match Identifier::classify(&folded, country) {
        Identifier::Phone(phone) => phone.e164().to_owned(),
        Identifier::Email(_) | Identifier::Username(_) => folded,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_way_to_a_mainland_number_leads_where_the_metadata_do(
            text in r"(\+86)?1[0-9]{9,11}", in_china in any::<bool>()
        ) {
            let country = if in_china { Country::CHINA } else { "DE".parse().unwrap() };
            if let Some(phone) = Phone::mainland_mobile(&text, country) {
                prop_assert_eq!(Phone::parse_with_metadata(&text, country), Ok(phone));
            }
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(text in "\\+?[0-9]{5,14}") {
            if let Ok(phone) = Phone::parse(&text, Country::CHINA) {
                prop_assert_eq!(Phone::from_e164(phone.e164()), Ok(phone.clone()));
                prop_assert_eq!(Phone::parse(phone.e164(), "DE".parse().unwrap()), Ok(phone));
            }
        }
    }

    #[test]
    fn a_prefix_too_many_is_refused_and_one_is_taken_off() {
        for text in ["000566338", "+62004041880", "+4600531059146", "1220301683185", "0117125499805"] {
            assert_eq!(e164(text), None, "{text}");
        }
        assert_eq!(e164("+49 (0)30 1234567").as_deref(), Some("+49301234567"));
        assert_eq!(e164("+39 06 698 1234").as_deref(), Some("+39066981234"));
    }

    fn e164(text: &str) -> Option<String> {
        Phone::parse(text, Country::CHINA).ok().map(|phone| phone.e164)
    }

    #[test]
    fn spellings_of_one_number_are_one_phone() {
        for text in [
            "13800138001",
            "138 0013 8001",
            "+86-13800138001",
            "0086 13800138001",
            "8613800138001",
            "+8613800138001",
            "１３８００１３８００１",
            "＋８６１３８００１３８００１",
            "(+86) 138-0013-8001",
        ] {
            assert_eq!(e164(text).as_deref(), Some("+8613800138001"), "{text}");
        }
    }

    #[test]
    fn a_lost_plus_is_put_back_where_the_dialect_says_so() {
        let read = |text| Phone::parse_plus_optional(text, Country::CHINA).unwrap().e164;
        assert_eq!(read("8613800138001"), "+8613800138001");
        assert_eq!(read("12025550123"), "+12025550123");
        assert_eq!(read("+8613800138001"), "+8613800138001");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "12", "alice", "138001380011380013800113800138001", "+", "1380013800x"] {
            assert_eq!(e164(text), None, "{text}");
        }
    }

    #[test]
    fn national_part_and_calling_code_are_split() {
        let phone = Phone::from_e164("+8613800138001").unwrap();
        assert_eq!((phone.calling_code(), phone.national()), (86, "13800138001"));
        let phone = Phone::from_parts("1", "2025550123").unwrap();
        assert_eq!((phone.e164(), phone.national()), ("+12025550123", "2025550123"));
        assert!(Phone::from_e164("+86 13800138001").is_err());
    }

    #[test]
    fn debug_masks_phones_and_emails() {
        let phone = Phone::from_e164("+8613800138001").unwrap();
        assert_eq!(format!("{phone:?}"), "+86*****01");
        let email = Email::parse("Alice@Example.COM").unwrap();
        assert_eq!(format!("{email:?}"), "A***@example.com");
    }

    #[test]
    fn addresses_compare_without_case_and_letters_that_only_look_alike_stay_apart() {
        let key = |text: &str| Email::parse(text).unwrap().comparison_key();
        assert_eq!(key("Mike@Example.com"), key("mike@example.COM"));
        assert_ne!(key("mi\u{212a}e@example.com"), key("mike@example.com"));
    }

    #[test]
    fn identifiers_sort_by_shape() {
        let classify = |text| Identifier::classify(text, Country::CHINA);
        assert!(matches!(classify("a@b.c"), Identifier::Email(_)));
        assert!(matches!(classify("13800138001"), Identifier::Phone(_)));
        assert!(matches!(classify("alice_01"), Identifier::Username(_)));
    }

    #[test]
    fn countries_are_those_of_the_phone_metadata() {
        assert_eq!("cn".parse::<Country>().unwrap(), Country::CHINA);
        assert!("QQ".parse::<Country>().is_err());
    }
}
