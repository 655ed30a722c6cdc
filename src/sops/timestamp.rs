//! Times as Go's `time` package reads and prints them, as far as SOPS' MACs depend on it.
//!
//! A plain YAML scalar that Go's yaml.v3 takes for a time enters the MAC as RFC 3339 with nanoseconds, so
//! `2024-1-2 3:04:05.50` must come out as `2024-01-02T03:04:05.5Z`. (Sources: `allowedTimestampFormats` in yaml.v3's
//! `resolve.go`, `parse` in Go's `time/format.go`, `appendStrictRFC3339` in `time/format_rfc3339.go`.)

use std::fmt::Write as _;

use zeroize::Zeroizing;

/// A moment as it was written: in its own time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    nanosecond: u32,
    /// Minutes east of Greenwich.
    offset: i16,
}

impl Timestamp {
    /// Reads a plain scalar in any of the four forms that yaml.v3 takes for a time.
    pub(super) fn of_yaml(text: &str) -> Option<Self> {
        // yaml.v3 looks for four digits and a dash before it tries anything else.
        let head = text.as_bytes().get(..5)?;
        if !(head.iter().take(4).all(u8::is_ascii_digit) && head.last() == Some(&b'-')) {
            return None;
        }
        [Layout::Zoned(b'T'), Layout::Zoned(b't'), Layout::Spaced, Layout::Date]
            .into_iter()
            .find_map(|layout| Cursor(text.as_bytes()).read(layout))
    }

    /// Reads RFC 3339 as leniently as Go's `time.Parse(time.RFC3339, …)`: an hour of one digit and a comma before the
    /// fraction are taken, too.
    pub(super) fn of_rfc3339(text: &str) -> Option<Self> {
        Cursor(text.as_bytes()).read(Layout::Rfc3339)
    }

    /// Whether Go can marshal it: a zone 24 hours and more away from Greenwich can be read, but not be written again.
    pub(super) fn is_marshallable(self) -> bool {
        self.offset.unsigned_abs() < 24 * 60
    }

    /// RFC 3339 to the second, as Go's `Format(time.RFC3339)` prints it.
    pub(super) fn to_seconds(self) -> String {
        let mut text = String::with_capacity(MAX_PRINTED);
        self.print_to_seconds(&mut text);
        self.print_zone(&mut text);
        text
    }

    /// RFC 3339 with as many digits of the fraction as are not zero, as Go's `MarshalText` prints it.
    pub(super) fn to_nanoseconds(self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(MAX_PRINTED));
        self.print_to_seconds(&mut text);
        if self.nanosecond != 0 {
            let _ = write!(text, ".{:09}", self.nanosecond);
            let kept = text.trim_end_matches('0').len();
            text.truncate(kept);
        }
        self.print_zone(&mut text);
        text
    }

    // Writing to a String cannot fail.
    fn print_to_seconds(self, text: &mut String) {
        let Self { year, month, day, hour, minute, second, .. } = self;
        let _ = write!(text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    }

    fn print_zone(self, text: &mut String) {
        if self.offset == 0 {
            text.push('Z');
            return;
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs();
        let _ = write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    }
}

/// The longest that is printed: `2006-01-02T15:04:05.999999999+07:00`. Growing would leave plaintext behind.
const MAX_PRINTED: usize = 35;

/// The forms that are read. All but RFC 3339 take a single digit for month, day, hour, minute and second.
#[derive(Clone, Copy)]
enum Layout {
    /// Date, this separator, time, zone.
    Zoned(u8),
    /// Date, spaces, time; UTC.
    Spaced,
    /// Date; midnight UTC.
    Date,
    /// What SOPS itself writes.
    Rfc3339,
}

/// What is left to read.
struct Cursor<'t>(&'t [u8]);

impl Cursor<'_> {
    fn read(mut self, layout: Layout) -> Option<Timestamp> {
        let padded = matches!(layout, Layout::Rfc3339);
        let year = self.year()?;
        self.literal(b'-')?;
        let month = self.number(padded, 1, 12)?;
        self.literal(b'-')?;
        let day = self.number(padded, 1, days_in(month, year))?;
        let mut time =
            Timestamp { year, month, day, hour: 0, minute: 0, second: 0, nanosecond: 0, offset: 0 };
        match layout {
            Layout::Zoned(separator) => self.literal(separator)?,
            Layout::Rfc3339 => self.literal(b'T')?,
            Layout::Spaced => self.spaces()?,
            Layout::Date => {}
        }
        if !matches!(layout, Layout::Date) {
            // Go takes an hour of one digit even in RFC 3339.
            time.hour = self.number(false, 0, 23)?;
            self.literal(b':')?;
            time.minute = self.number(padded, 0, 59)?;
            self.literal(b':')?;
            time.second = self.number(padded, 0, 59)?;
            time.nanosecond = self.fraction();
        }
        if matches!(layout, Layout::Zoned(_) | Layout::Rfc3339) {
            time.offset = self.zone()?;
        }
        self.0.is_empty().then_some(time)
    }

    fn literal(&mut self, expected: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        (*first == expected).then_some(())
    }

    /// One space of the layout stands for any number of them.
    fn spaces(&mut self) -> Option<()> {
        self.literal(b' ')?;
        while let Some((b' ', rest)) = self.0.split_first() {
            self.0 = rest;
        }
        Some(())
    }

    fn digit(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        let digit = first.is_ascii_digit().then(|| first - b'0')?;
        self.0 = rest;
        Some(digit)
    }

    fn year(&mut self) -> Option<u16> {
        (0..4).try_fold(0, |year, _| Some(year * 10 + u16::from(self.digit()?)))
    }

    /// Two digits; or one, where it need not be padded.
    fn number(&mut self, padded: bool, least: u8, most: u8) -> Option<u8> {
        let first = self.digit()?;
        let number = match self.digit() {
            Some(second) => first * 10 + second,
            None if padded => return None,
            None => first,
        };
        (least..=most).contains(&number).then_some(number)
    }

    /// A point or comma and digits, if they are there. Digits beyond the nanosecond are dropped.
    fn fraction(&mut self) -> u32 {
        let [b'.' | b',', b'0'..=b'9', ..] = self.0 else {
            return 0;
        };
        self.0 = self.0.get(1..).unwrap_or_default();
        let mut nanoseconds = 0;
        let mut unit = 100_000_000;
        while let Some(digit) = self.digit() {
            nanoseconds += u32::from(digit) * unit;
            unit /= 10;
        }
        nanoseconds
    }

    /// `Z`, or `±hh:mm`. Go takes offsets of 24 hours and of 60 minutes.
    fn zone(&mut self) -> Option<i16> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        let sign = match first {
            b'Z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.number(true, 0, 24)?;
        self.literal(b':')?;
        let minutes = self.number(true, 0, 60)?;
        Some(sign * (i16::from(hours) * 60 + i16::from(minutes)))
    }
}

fn days_in(month: u8, year: u16) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Option<String> {
        Timestamp::of_yaml(text).map(|time| time.to_nanoseconds().to_string())
    }

    #[test]
    fn the_four_forms_of_yaml() {
        for (text, printed) in [
            ("2024-01-02", "2024-01-02T00:00:00Z"),
            ("2024-1-2", "2024-01-02T00:00:00Z"),
            ("2024-1-2T3:4:5Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02t03:04:05+00:00", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05-05:30", "2024-01-02T03:04:05-05:30"),
            ("2024-01-02    03:04:05,250", "2024-01-02T03:04:05.25Z"),
            ("2024-01-02 03:04:05.1234567899", "2024-01-02T03:04:05.123456789Z"),
            ("2024-01-02T03:04:05.000Z", "2024-01-02T03:04:05Z"),
            ("0000-02-29", "0000-02-29T00:00:00Z"),
        ] {
            assert_eq!(yaml(text).as_deref(), Some(printed), "{text}");
        }
    }

    #[test]
    fn what_go_does_not_read_is_no_time() {
        for text in [
            "",
            "2024-",
            "2024-13-01",
            "2023-02-29",
            "1900-02-29",
            "2024-01-00",
            "24-01-02",
            "12024-01-02",
            "2024-01-02 03:04:05 Z",
            "2024-01-02T03:04:05",
            "2024-01-02 03:04",
            "2024-01-02 24:00:00",
            "2024-01-02 03:04:60",
            "2024-01-02T03:04:05+5:30",
            "2024-01-02T03:04:05+25:00",
            "2024-01-02 03:04:05.",
            "2024-001-02",
        ] {
            assert_eq!(yaml(text), None, "{text}");
        }
    }

    #[test]
    fn lastmodified_is_formatted_anew() {
        let seconds = |text| Timestamp::of_rfc3339(text).map(Timestamp::to_seconds);
        assert_eq!(seconds("2024-01-02T03:04:05+00:00").as_deref(), Some("2024-01-02T03:04:05Z"));
        assert_eq!(seconds("2024-01-02T3:04:05.9Z").as_deref(), Some("2024-01-02T03:04:05Z"));
        assert_eq!(seconds("2024-01-02T03:04:05+01:00").as_deref(), Some("2024-01-02T03:04:05+01:00"));
        assert_eq!(seconds("2024-1-02T03:04:05Z"), None);
        assert_eq!(seconds("2024-01-02T03:4:05Z"), None);
        assert_eq!(seconds("2024-01-02"), None);
        assert_eq!(seconds(""), None);
    }

    #[test]
    fn a_day_from_greenwich_is_too_far_to_be_written() {
        assert!(Timestamp::of_yaml("2024-01-02T03:04:05+23:59").unwrap().is_marshallable());
        assert!(!Timestamp::of_yaml("2024-01-02T03:04:05-24:00").unwrap().is_marshallable());
        assert!(!Timestamp::of_yaml("2024-01-02T03:04:05+23:60").unwrap().is_marshallable());
    }
}
