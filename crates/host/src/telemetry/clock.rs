//! The calendar of log lines, without a library: UTC only.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in UTC, as the fields of a calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Clock {
    date: (u64, u64, u64),
    seconds: u64,
    micros: u32,
}

impl Clock {
    pub(super) fn at(time: SystemTime) -> Self {
        let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, seconds) = (elapsed.as_secs() / 86_400, elapsed.as_secs() % 86_400);
        Self {
            date: date(days),
            seconds,
            micros: elapsed.subsec_micros(),
        }
    }

    /// `HH:MM:SS.mmm`.
    pub(super) fn of_day(self) -> impl fmt::Display {
        let Self {
            seconds, micros, ..
        } = self;
        fmt::from_fn(move |formatter| {
            let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            write!(
                formatter,
                "{hours:02}:{minutes:02}:{rest:02}.{:03}",
                micros / 1000
            )
        })
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date;
        let (hours, minutes, seconds) = (
            self.seconds / 3600,
            self.seconds / 60 % 60,
            self.seconds % 60,
        );
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:06}",
            self.micros
        )
    }
}

/// Year, month and day of a number of days since 1970-01-01.
///
/// Counts in eras of 400 years that begin on the 1st of March, so that the leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(11_017), (2000, 3, 1));
        assert_eq!(date(47_540), (2100, 2, 28));
        assert_eq!(date(47_541), (2100, 3, 1));
    }
}
