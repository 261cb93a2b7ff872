//! Single values: numbers, durations, sizes and words, each in its bounds.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::read::{Value, suggest};
use crate::base::units::{parse_duration, parse_size, write_duration, write_size};

impl Value<'_> {
    pub fn bool(self) -> Option<bool> {
        self.tree().as_bool().or_else(|| self.wrong_type("true or false"))
    }

    /// A whole number in a range.
    pub fn integer(self, range: RangeInclusive<u64>) -> Option<u64> {
        let DeValue::Integer(written) = self.tree() else { return self.wrong_type("a whole number") };
        let number = i128::from_str_radix(written.as_str(), written.radix()).ok();
        let fitting = number.and_then(|number| u64::try_from(number).ok()).filter(|number| range.contains(number));
        fitting.or_else(|| self.out_of_range(written, range.start(), range.end()))
    }

    /// A number in a range, whole or not.
    pub fn number(self, range: RangeInclusive<f64>) -> Option<f64> {
        let (number, written) = match self.tree() {
            DeValue::Float(float) => (float.as_str().parse().ok(), float.to_string()),
            DeValue::Integer(int) => {
                (i64::from_str_radix(int.as_str(), int.radix()).ok().map(|n| n as f64), int.to_string())
            }
            _ => return self.wrong_type("a number"),
        };
        number
            .filter(|number| range.contains(number))
            .or_else(|| self.out_of_range(written, range.start(), range.end()))
    }

    fn out_of_range<T>(self, written: impl Display, least: impl Display, most: impl Display) -> Option<T> {
        self.refuse(
            format!("`{}` is {written}, which is out of range", self.name()),
            format!("write a number from {least} to {most}"),
        )
    }

    /// A duration such as "29s", in a range.
    pub fn duration(self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let duration = self.with_unit("duration", "s", parse_duration)?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let bounds = (write_duration(*range.start()), write_duration(*range.end()));
        self.refuse_text("which is out of range", format!("write a duration from \"{}\" to \"{}\"", bounds.0, bounds.1))
    }

    /// A size such as "512MiB", in a range of bytes.
    pub fn size(self, range: RangeInclusive<u64>) -> Option<u64> {
        let size = self.with_unit("size", "B", parse_size)?;
        if range.contains(&size) {
            return Some(size);
        }
        let bounds = (write_size(*range.start()), write_size(*range.end()));
        self.refuse_text("which is out of range", format!("write a size from \"{}\" to \"{}\"", bounds.0, bounds.1))
    }

    fn with_unit<T>(self, what: &str, unit: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let bare = match self.tree() {
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            _ => {
                return match parse(&self.text()?) {
                    Ok(amount) => Some(amount),
                    Err(help) => self.refuse_text(format_args!("which is not a {what}"), help),
                };
            }
        };
        self.refuse(
            format!("`{}` is the bare number {bare}, but a {what} needs a unit", self.name()),
            format!("write it as a string with its unit, such as \"{bare}{unit}\""),
        )
    }

    /// One word of a closed list.
    pub fn word<T: Copy>(self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse_text("which is not known", suggest(self.written(), &known, "write one of"))
        })
    }
}
