//! Subjects: words with dots between them, as NATS has them. A grant may have `*` for one word and `>` for all that follow.

/// Bytes of a subject.
const LONGEST: usize = 256;

/// Whether a message can be published to it.
pub(super) fn is_subject(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(fits);
    text.len() <= LONGEST && text.split('.').all(is_word)
}

/// Whether a subject is one of those that the pattern names.
pub(super) fn matches(pattern: &str, subject: &str) -> bool {
    let mut words = subject.split('.');
    for expected in pattern.split('.') {
        match (expected, words.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (expected, Some(word)) if expected == word => {}
            _ => return false,
        }
    }
    words.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, said as a definition: word by word from the front.
    fn named(pattern: &[&str], subject: &[&str]) -> bool {
        match (pattern, subject) {
            ([], []) | ([">"], [_, ..]) => true,
            (["*", pattern @ ..], [_, subject @ ..]) => named(pattern, subject),
            ([first, pattern @ ..], [word, subject @ ..]) => {
                first == word && named(pattern, subject)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_names_what_its_definition_says(
            pattern in "(a|b|\\*)(\\.(a|b|\\*)){0,3}(\\.>)?",
            subject in "(a|b|c)(\\.(a|b|c)){0,4}",
        ) {
            let (left, right): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), subject.split('.').collect());

            prop_assert_eq!(matches(&pattern, &subject), named(&left, &right));
        }

        #[test]
        fn what_is_published_to_never_has_a_wildcard_or_an_empty_word(text in "[a.*> ]{0,8}") {
            let good = !text.is_empty() && text.split('.').all(|word| !word.is_empty() && word.bytes().all(|byte| byte == b'a'));

            prop_assert_eq!(is_subject(&text), good);
        }

        #[test]
        fn a_subject_names_itself_and_all_others_only_through_wildcards(one in "[ab](\\.[ab]){0,3}", other in "[ab](\\.[ab]){0,3}") {
            prop_assert_eq!(matches(&one, &other), one == other);
            prop_assert!(matches(">", &one));
        }
    }

    #[test]
    fn examples_from_the_manual_of_nats() {
        assert!(matches("orders.*", "orders.created"));
        assert!(!matches("orders.*", "orders"));
        assert!(!matches("orders.*", "orders.created.late"));
        assert!(matches("orders.>", "orders.created.late"));
        assert!(!matches("orders.>", "orders"));
        assert!(matches("*.created", "orders.created"));
        assert!(!is_subject(&"a".repeat(300)));
    }
}
