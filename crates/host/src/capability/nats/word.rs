//! A key, or another name of a guest's, as one word of a subject, and back.
//!
//! NATS's own tools know buckets, so what they allow in keys stays as it is, and a person finds a key by its name. All other bytes, and
//! the dot, which would make two words of one, become `=` and two digits.

use std::fmt::Write as _;

/// The word for a key.
pub(crate) fn encode(key: &str) -> String {
    let mut word = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/') {
            word.push(char::from(byte));
        } else {
            let _ = write!(word, "={byte:02X}");
        }
    }
    word
}

/// The key of a word; `None` when we would not have written it so.
pub(crate) fn decode(word: &str) -> Option<String> {
    let mut key = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'=' {
            let digits = str::from_utf8(after.get(..2)?).ok()?;
            key.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            key.push(*first);
            rest = after;
        }
    }
    let key = String::from_utf8(key).ok()?;
    (encode(&key) == word).then_some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_comes_back_and_is_one_word_of_a_subject(key in "(?s).{1,60}") {
            let word = encode(&key);

            prop_assert!(!word.contains(['.', '*', '>', ' ', '\r', '\n']));
            prop_assert_eq!(decode(&word), Some(key));
        }

        #[test]
        fn any_word_is_one_of_ours_or_none(word in "[=0-9A-Fa-f./]{0,12}") {
            if let Some(key) = decode(&word) {
                prop_assert_eq!(encode(&key), word);
            }
        }
    }
}
