//! The name of an object as the name of a file, and back.
//!
//! Bytes that mean something in a path, and those that would trouble a terminal, become `%` and two digits; all others stay, so
//! that a person finds an object by its name. What comes out never begins with a dot: such names are ours.

use super::store::BlobError;

/// Bytes of a file's name. File systems have room for 255.
const LONGEST: usize = 250;

/// The name of a file for the container or object of this name.
pub(super) fn encode(name: &str) -> Result<String, BlobError> {
    if name.is_empty() {
        return Err(BlobError::NoName);
    }
    let mut file = String::with_capacity(name.len());
    for (index, letter) in name.char_indices() {
        let reserved = letter.is_ascii_control() || matches!(letter, '/' | '%' | '\\');
        if reserved || (index == 0 && letter == '.') {
            // Only ASCII is reserved.
            file.extend([
                '%',
                digit(u32::from(letter) / 16),
                digit(u32::from(letter) % 16),
            ]);
        } else {
            file.push(letter);
        }
        if file.len() > LONGEST {
            return Err(BlobError::LongName(LONGEST));
        }
    }
    Ok(file)
}

fn digit(number: u32) -> char {
    char::from_digit(number, 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

/// The name of the object that is in the file of this name; `None` when we would not have given it that name.
pub(super) fn decode(file: &[u8]) -> Option<String> {
    let file = str::from_utf8(file).ok()?;
    let mut name = Vec::with_capacity(file.len());
    let mut rest = file.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = str::from_utf8(after.get(..2)?).ok()?;
            name.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            name.push(*first);
            rest = after;
        }
    }
    let name = String::from_utf8(name).ok()?;
    (encode(&name).ok()? == file).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_comes_back_and_is_one_plain_file_below_its_folder(name in "(?s).{1,60}") {
            let file = encode(&name).unwrap();

            prop_assert_eq!(decode(file.as_bytes()), Some(name));
            prop_assert!(!file.starts_with('.'));
            prop_assert!(!file.contains(['/', '\0', '\\', '\n']));
        }

        #[test]
        fn no_two_names_share_a_file(one in "[./%\\\\a0-9A-F]{1,6}", other in "[./%\\\\a0-9A-F]{1,6}") {
            prop_assert_eq!(encode(&one).unwrap() == encode(&other).unwrap(), one == other);
        }

        #[test]
        fn any_file_name_is_one_of_ours_or_none(file in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Some(name) = decode(&file) {
                prop_assert_eq!(encode(&name).unwrap().into_bytes(), file);
            }
        }
    }

    #[test]
    fn names_that_would_lead_elsewhere_stay_in_the_folder() {
        let files = ["..", "../../etc/passwd", "/etc/passwd", "a\0b", ".incoming"].map(encode);

        assert_eq!(
            files.map(Result::unwrap),
            [
                "%2E.",
                "%2E.%2F..%2Fetc%2Fpasswd",
                "%2Fetc%2Fpasswd",
                "a%00b",
                "%2Eincoming"
            ]
        );
    }

    #[test]
    fn a_name_that_is_too_long_or_empty_is_refused() {
        assert!(matches!(
            encode(&"a".repeat(300)),
            Err(BlobError::LongName(250))
        ));
        assert!(matches!(
            encode(&"/".repeat(84)),
            Err(BlobError::LongName(250))
        ));
        assert!(encode(&"a".repeat(250)).is_ok());
        assert!(matches!(encode(""), Err(BlobError::NoName)));
    }
}
