//! Bytes as hexadecimal text.

/// The lower-case digits of each byte, high half first.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for half in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        text.extend(DIGITS.get(usize::from(half)).map(|digit| char::from(*digit)));
    }
    text
}

/// The bytes of digits in either case; `None` where something else stands, or half a byte.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_two_lower_case_digits() {
        assert_eq!(encode(&[0, 15, 16, 255]), "000f10ff");
    }

    #[test]
    fn digits_in_either_case_are_read_and_nothing_else() {
        assert_eq!(decode("000f10FF"), Some(vec![0, 15, 16, 255]));
        assert_eq!([decode("0"), decode("0g"), decode("é")], [None, None, None]);
    }
}
