//! What the variables of Spin are: lower-case names, whose values are the configuration of the component.
//!
//! The words of the errors are Spin's.

use wisp_wasi::State;

use crate::capability::{Grantee, config};

/// Why there is no value.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum VariableFailure {
    InvalidName(String),
    Undefined(String),
}

/// What is wrong with a name.
fn problem(name: &str) -> Option<String> {
    let fits =
        |letter: &char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || *letter == '_';
    if name.is_empty() {
        return Some("must not be empty".into());
    }
    if let Some(letter) = name.chars().find(|letter| !fits(letter)) {
        return Some(format!(
            "invalid character {letter:?}. Variable names may contain only lower-case letters, numbers, and underscores."
        ));
    }
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        return Some("must start with a lowercase ASCII letter".into());
    }
    if name.ends_with('_') {
        return Some("must end with a lowercase ASCII letter or digit".into());
    }
    name.contains("__")
        .then(|| "must not contain multiple consecutive underscores".into())
}

/// The value of a variable, for a guest that asks through this interface.
pub(super) fn get(state: &State, import: &str, name: &str) -> Result<String, VariableFailure> {
    if let Some(problem) = problem(name) {
        return Err(VariableFailure::InvalidName(format!("{name:?}: {problem}")));
    }
    config::get(state, import, name).ok_or_else(|| {
        let grantee = Grantee::of(state);
        let component = grantee.as_ref().map_or("", |grantee| &grantee.component);
        VariableFailure::Undefined(format!("no variable for {component:?}.{name:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn a_name_is_judged_in_the_words_of_spin() {
        let bad = ["", "Greeting", "a-b", "1a", "a_", "a__b"].map(|name| problem(name).unwrap());

        assert_eq!(
            bad,
            [
                "must not be empty",
                "invalid character 'G'. Variable names may contain only lower-case letters, numbers, and underscores.",
                "invalid character '-'. Variable names may contain only lower-case letters, numbers, and underscores.",
                "must start with a lowercase ASCII letter",
                "must end with a lowercase ASCII letter or digit",
                "must not contain multiple consecutive underscores",
            ]
        );
        assert_eq!(problem("api_token_2"), None);
    }
}
