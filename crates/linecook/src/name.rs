//! Names in constants, checked by the compiler.

/// Panics unless `name` is a name that every log takes, by the rule of [`linecook_log::TopicName::new`].
pub(crate) const fn assert_is_name(name: &str) {
    let bytes = name.as_bytes();
    assert!(!bytes.is_empty() && bytes.len() <= 200, "a name has 1 to 200 characters");
    assert!(!is_dots(bytes), "a name is not . or ..");
    let mut index = 0;
    while index < bytes.len() {
        assert!(fits(bytes[index]), "a name is made of a-z A-Z 0-9 . _ -");
        index += 1;
    }
}

const fn is_dots(bytes: &[u8]) -> bool {
    matches!(bytes, b"." | b"..")
}

const fn fits(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}
