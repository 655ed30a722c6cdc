//! Numbers as Go's `strconv` reads and prints them, as far as SOPS' MACs and its YAML output depend on it.

use std::fmt::{self, Write as _};
use std::num::IntErrorKind;

use zeroize::Zeroizing;

/// What Go's `ParseInt` or `ParseUint` makes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Integer {
    /// It fits 64 bits with a sign.
    Signed(i64),
    /// It fits 64 bits only without a sign.
    Unsigned,
    /// It is an integer, and too long.
    TooLong,
}

/// Reads an integer whose prefix tells its base, as Go does where the base is 0: `0x`, `0o`, `0b`, and a mere `0` for
/// octal. Underscores must be gone.
pub(super) fn integer(text: &str) -> Option<Integer> {
    let (negative, digits) = sign(text);
    let radix_of = |letter: u8| match letter.to_ascii_lowercase() {
        b'x' => Some(16),
        b'o' => Some(8),
        b'b' => Some(2),
        _ => None,
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0'] => return Some(Integer::Signed(0)),
        [b'0', letter, _, ..] if radix_of(*letter).is_some() => (digits.get(2..)?, radix_of(*letter)?),
        [b'0', ..] => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    let parsed = magnitude(negative, digits, radix)?;
    // Only ParseInt takes a sign, so nothing signed is read as unsigned.
    match parsed {
        Integer::Unsigned if text.starts_with(['+', '-']) => Some(Integer::TooLong),
        other => Some(other),
    }
}

/// Reads an integer in this base, with a sign or without, as Go's `ParseInt` does.
pub(super) fn integer_in(text: &str, radix: u32) -> Option<i64> {
    let (negative, digits) = sign(text);
    match magnitude(negative, digits, radix)? {
        Integer::Signed(number) => Some(number),
        Integer::Unsigned | Integer::TooLong => None,
    }
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn magnitude(negative: bool, digits: &str, radix: u32) -> Option<Integer> {
    // Rust's parser would take a second sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = match u64::from_str_radix(digits, radix) {
        Ok(magnitude) => magnitude,
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => {
            // Rust stops at the overflow: what follows must be digits all the same.
            return digits.chars().all(|c| c.is_digit(radix)).then_some(Integer::TooLong);
        }
        Err(_) => return None,
    };
    let signed = if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    Some(match signed {
        Some(number) => Integer::Signed(number),
        None if negative => Integer::TooLong,
        None => Integer::Unsigned,
    })
}

/// Reads a float as Go's `ParseFloat` does: an overflow is an error, an underflow is zero. Hexadecimal floats, which
/// SOPS never writes, are not read.
pub(super) fn float(text: &str) -> Option<f64> {
    let (_, digits) = sign(text);
    if digits.len() < text.len() && digits.eq_ignore_ascii_case("nan") {
        return None;
    }
    let number: f64 = if text.contains('_') {
        if !underscores_separate_digits(text) {
            return None;
        }
        Zeroizing::new(text.replace('_', "")).parse().ok()?
    } else {
        text.parse().ok()?
    };
    let spelled_out = digits.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    (number.is_finite() || spelled_out).then_some(number)
}

fn underscores_separate_digits(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(position, byte)| {
        *byte != b'_'
            || (position > 0 && is_digit(bytes.get(position - 1)) && is_digit(bytes.get(position + 1)))
    })
}

/// Whether a text is a float in YAML's core schema, apart from infinities and NaN (`yamlStyleFloat` in yaml.v3).
pub(super) fn is_yaml_float(text: &str) -> bool {
    let (_, unsigned) = sign(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(sign(exponent).1)),
        None => (unsigned, None),
    };
    let all_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let some_digits = |digits: &str| !digits.is_empty() && all_digits(digits);
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => some_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => some_digits(mantissa),
    };
    mantissa_fits && exponent.is_none_or(some_digits)
}

/// The shortest decimal form that reads as the same float, without an exponent: Go's `FormatFloat(f, 'f', -1, 64)`.
/// What SOPS hashes and encrypts.
pub(super) fn fixed(float: f64) -> Zeroizing<String> {
    match float {
        f64::INFINITY => printed(format_args!("+Inf")),
        f64::NEG_INFINITY => printed(format_args!("-Inf")),
        // Rust prints the same shortest digits as Go, and never an exponent.
        finite => printed(format_args!("{finite}")),
    }
}

/// The shortest form, with an exponent where it is below -4 or above 5: Go's `FormatFloat(f, 'g', -1, 64)` with the
/// names that YAML has for infinities and NaN. What `sops -d` prints in YAML.
pub(super) fn general(float: f64) -> Zeroizing<String> {
    if float.is_nan() {
        return printed(format_args!(".nan"));
    }
    if float.is_infinite() {
        return printed(format_args!("{}", if float > 0.0 { ".inf" } else { "-.inf" }));
    }
    let scientific = printed(format_args!("{float:e}"));
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            printed(format_args!("{mantissa}e{sign}{:02}", exponent.unsigned_abs()))
        }
        _ => fixed(float),
    }
}

/// As Go's `encoding/json` prints a float: with an exponent only where it is below -6 or above 20.
pub(super) fn json(float: f64) -> Zeroizing<String> {
    if float == 0.0 || (1e-6..1e21).contains(&float.abs()) {
        return fixed(float);
    }
    let scientific = printed(format_args!("{float:e}"));
    match scientific.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => {
            printed(format_args!("{mantissa}e+{exponent}"))
        }
        _ => scientific,
    }
}

/// An integer in decimal.
pub(super) fn decimal(integer: i64) -> Zeroizing<String> {
    printed(format_args!("{integer}"))
}

/// Formats into a string that is as long as any number can get, so that it never grows and leaves copies behind.
fn printed(number: fmt::Arguments<'_>) -> Zeroizing<String> {
    // `-0.` and 323 zeros before the 17 digits of the smallest floats.
    let mut text = Zeroizing::new(String::with_capacity(350));
    // Writing to a String cannot fail.
    let _ = text.write_fmt(number);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_tells_the_base() {
        for (text, number) in [
            ("0", 0),
            ("-0", 0),
            ("+7", 7),
            ("0777", 511),
            ("00", 0),
            ("0x1F", 31),
            ("0X1f", 31),
            ("-0o17", -15),
            ("0b101", 5),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-0x8000000000000000", i64::MIN),
        ] {
            assert_eq!(integer(text), Some(Integer::Signed(number)), "{text}");
        }
        assert_eq!(integer("9223372036854775808"), Some(Integer::Unsigned));
        assert_eq!(integer("0xffffffffffffffff"), Some(Integer::Unsigned));
        for text in ["18446744073709551616", "-9223372036854775809", "+9223372036854775808"] {
            assert_eq!(integer(text), Some(Integer::TooLong), "{text}");
        }
        for text in ["", "+", "-", "--1", "0888", "0x", "0b2", "0xg", "1e3", "1.0", "18446744073709551616x"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn floats() {
        assert_eq!(float("1e400"), None);
        assert_eq!(float("1e-400"), Some(0.0));
        assert_eq!(float("+Inf"), Some(f64::INFINITY));
        assert_eq!(float("-infinity"), Some(f64::NEG_INFINITY));
        assert!(float("NaN").unwrap().is_nan());
        assert_eq!(float(".1_0"), Some(0.1));
        for text in ["+nan", "", ".", "._1", "1_", "1__0", "0x1p-2", "e5", "1e"] {
            assert_eq!(float(text), None, "{text}");
        }
    }

    #[test]
    fn floats_of_the_core_schema() {
        for text in ["1", "-1", "+.5", "1.", "0888", "1e5", "1.5E-07", "-.5e+3"] {
            assert!(is_yaml_float(text), "{text}");
        }
        for text in ["", ".", "-", "1e", "1e+", "e5", "1.2.3", ".inf", "0x1", "1e5e5", "1-"] {
            assert!(!is_yaml_float(text), "{text}");
        }
    }
    #[test]
    fn floats_are_printed_as_go_prints_them() {
        for (float, in_mac, in_yaml) in [
            (3.0, "3", "3"),
            (-0.0, "-0", "-0"),
            (100_000.0, "100000", "100000"),
            (1_000_000.0, "1000000", "1e+06"),
            (123_456_789.5, "123456789.5", "1.234567895e+08"),
            (1e22, "10000000000000000000000", "1e+22"),
            (0.0001, "0.0001", "0.0001"),
            (1.5e-7, "0.00000015", "1.5e-07"),
            (f64::INFINITY, "+Inf", ".inf"),
            (f64::NEG_INFINITY, "-Inf", "-.inf"),
            (f64::NAN, "NaN", ".nan"),
        ] {
            assert_eq!((fixed(float).as_str(), general(float).as_str()), (in_mac, in_yaml));
        }
    }

    #[test]
    fn the_longest_numbers_fit_what_is_allocated_for_them() {
        for float in [-5e-324, -f64::MIN_POSITIVE, -f64::MAX, -2.225_073_858_507_201e-308] {
            assert!(fixed(float).len() <= 350);
        }
    }
}
