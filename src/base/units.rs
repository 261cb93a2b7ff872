//! Durations and sizes as people write them: "300s", "29s", "512MiB".

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a duration such as `"1.5s"`. The error says what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let ms = parse(text, &DURATION_UNITS, "a duration", "\"300s\", with ms, s, m, h or d")?;
    Ok(Duration::from_millis(ms))
}

/// Reads a size in bytes such as `"512MiB"`. The error says what to write.
pub fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, &SIZE_UNITS, "a size", "\"512MiB\", with B, KB, MB, GB, KiB, MiB or GiB")
}

fn parse(text: &str, units: &[(&str, u64)], what: &str, example: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    match (number.parse::<f64>(), factor) {
        (Ok(number), Some(factor)) if number.is_finite() => {
            let amount = number * factor as f64;
            if amount > u64::MAX as f64 / 2.0 {
                return Err(format!("{what} this large is not supported"));
            }
            Ok(amount.round() as u64)
        }
        _ => Err(format!("write {what} as {example}")),
    }
}

/// Writes a duration the way [`parse_duration`] reads it, in the largest unit that divides it.
pub fn write_duration(duration: Duration) -> String {
    write(duration.as_millis() as u64, &DURATION_UNITS)
}

/// Writes a size the way [`parse_size`] reads it, in the largest binary unit that divides it.
pub fn write_size(bytes: u64) -> String {
    write(bytes, &[SIZE_UNITS[0], SIZE_UNITS[4], SIZE_UNITS[5], SIZE_UNITS[6]])
}

fn write(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| amount.is_multiple_of(*factor) && (amount > 0 || *factor == 1);
    let (name, factor) = units.iter().rev().find(fits).unwrap_or(&units[0]);
    format!("{}{name}", amount / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_with_their_unit() {
        assert_eq!(parse_duration("300s"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("10 m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_size("512MiB"), Ok(512 << 20));
        assert_eq!(parse_size("10240B"), Ok(10_240));
    }

    #[test]
    fn a_number_without_a_unit_is_refused_and_told_what_to_write() {
        for text in ["300", "", "s", "-1s", "3 parsecs", "1e9s", "99999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_size("512").is_err_and(|e| e.contains("512MiB")));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for ms in [0, 1, 999, 1_000, 60_000, 90_000, 86_400_000] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse_duration(&write_duration(duration)), Ok(duration));
        }
        assert_eq!(write_size(10 << 20), "10MiB");
    }
}
