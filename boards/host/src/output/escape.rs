//! What a terminal must not be told by a peer: controls that move the cursor, change colors or
//! titles, answer for the user, reorder or hide text. They are shown escaped.

use std::borrow::Cow;
use std::fmt::Write;

/// May a terminal get it as it is? Line feeds and tabs may go.
const fn is_harmless(c: char) -> bool {
    !matches!(c,
        '\0'..='\x08' | '\x0b'..='\x1f' // C0
        | '\x7f'..='\u{9f}' // DEL, C1
        | '\u{ad}' // soft hyphen
        | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' // of no width; marks of direction
        | '\u{2028}'..='\u{202e}' // separators; embeddings and overrides of direction
        | '\u{2060}'..='\u{206f}' // of no width; isolates
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e007f}' // tags
    )
}

/// Text for a terminal: `\u{1b}` for what it must not get, `\xff` for what is not UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, [u8]> {
    if str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_harmless)) {
        return Cow::Borrowed(bytes);
    }
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_harmless(c) {
                shown.push(c);
            } else {
                shown.extend(c.escape_unicode());
            }
        }
        for byte in chunk.invalid() {
            // A `String` takes everything.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    Cow::Owned(shown.into_bytes())
}

/// JSON for a terminal: the same value, with what the terminal must not get as `\u001b` in its
/// strings.
pub(crate) fn json(line: Vec<u8>) -> Vec<u8> {
    let text = match String::from_utf8(line) {
        Ok(text) if text.chars().all(is_harmless) => return text.into_bytes(),
        Ok(text) => text,
        // No JSON is that.
        Err(error) => return self::text(&error.into_bytes()).into_owned(),
    };
    let mut shown = String::new();
    for c in text.chars() {
        if is_harmless(c) {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // As above.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind that must not get through.
    const HARMFUL: &str = "\0\u{7}\u{8}\u{b}\r\u{1b}\u{7f}\u{80}\u{9b}\u{9f}\u{ad}\u{61c}\u{180e}\
        \u{200b}\u{200d}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{206f}\
        \u{feff}\u{fff9}\u{1d173}\u{e0001}\u{e007f}";

    fn shown(bytes: &[u8]) -> String {
        String::from_utf8(text(bytes).into_owned()).unwrap()
    }

    #[test]
    fn what_a_terminal_must_not_get_is_shown_escaped() {
        for c in HARMFUL.chars() {
            let found = shown(format!("a{c}b").as_bytes());
            assert_eq!(found, format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        assert_eq!(shown(b"\x1b[2J\x9b1m\xff"), "\\u{1b}[2J\\x9b1m\\xff");
    }

    #[test]
    fn what_is_text_stays() {
        let plain =
            "a\tb\nGr\u{fc}\u{df}e, \u{65e5}\u{672c}, \u{5e9}\u{5dc}\u{5d5}\u{5dd}, \u{1f600} \\";
        assert!(matches!(text(plain.as_bytes()), Cow::Borrowed(_)));
        assert_eq!(shown(plain.as_bytes()), plain);
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "data": HARMFUL, "other": "\u{fc}\"\\" });
        let line = json(serde_json::to_vec(&value).unwrap());
        let text = str::from_utf8(&line).unwrap();
        assert!(text.chars().all(is_harmless), "{text}");
        let back: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(back, value);
    }
}
