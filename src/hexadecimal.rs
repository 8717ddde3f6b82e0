//! Bytes as lower-case hexadecimal text.

/// The digits of each byte, high half first.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| DIGITS.get(usize::from(half)).map_or('0', |digit| char::from(*digit))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_has_two_lower_case_digits() {
        assert_eq!(super::encode(&[0, 15, 16, 255]), "000f10ff");
    }
}
