//! A schedule of cron as `OnCalendar=` has it (`systemd.time(7)`).

use std::collections::BTreeSet;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// In the order in which systemd has them.
const WEEK: [(u32, &str); 7] =
    [(1, "Mon"), (2, "Tue"), (3, "Wed"), (4, "Thu"), (5, "Fri"), (6, "Sat"), (0, "Sun")];

/// What fires at the same moments; none where cron's words say more than numbers, such as `L`.
pub(super) fn of_cron(text: &str) -> Option<Vec<String>> {
    let mut words = text.split_whitespace();
    let minutes = field(words.next()?, 0..=59, &[], 0)?;
    let hours = field(words.next()?, 0..=23, &[], 0)?;
    let (day_word, month_word, weekday_word) = (words.next()?, words.next()?, words.next()?);
    let days = field(day_word, 1..=31, &[], 0)?;
    let months = field(month_word, 1..=12, &MONTHS, 1)?;
    let weekdays = field(weekday_word, 0..=7, &DAYS, 0)?;
    let weekdays: BTreeSet<u32> = weekdays.into_iter().map(|day| day % 7).collect();
    let zone = words.next().map(|zone| format!(" {zone}")).unwrap_or_default();
    let part = |set: &BTreeSet<u32>, all: usize| {
        if set.len() == all {
            "*".to_owned()
        } else {
            set.iter().map(|it| format!("{it:02}")).collect::<Vec<_>>().join(",")
        }
    };
    let time = format!("{}:{}:00", part(&hours, 24), part(&minutes, 60));
    let month = part(&months, 12);
    let named: Vec<&str> =
        WEEK.iter().filter(|(day, _)| weekdays.contains(day)).map(|(_, name)| *name).collect();
    let on_weekdays = || format!("{} *-{month}-* {time}{zone}", named.join(","));
    let on_days = || format!("*-{month}-{} {time}{zone}", part(&days, 31));
    // Where both are limited, cron takes either.
    Some(match (day_word.starts_with('*'), weekday_word.starts_with('*')) {
        (_, true) if weekdays.len() == 7 => vec![on_days()],
        (true, false) if days.len() == 31 => vec![on_weekdays()],
        (false, false) => vec![on_days(), on_weekdays()],
        _ => return None,
    })
}

fn field(
    word: &str,
    all: std::ops::RangeInclusive<u32>,
    names: &[&str],
    first: u32,
) -> Option<BTreeSet<u32>> {
    let number = |word: &str| {
        let named = names.iter().position(|name| word.eq_ignore_ascii_case(name));
        let number = match named {
            Some(place) => u32::try_from(place).ok()? + first,
            None => word.parse().ok()?,
        };
        all.contains(&number).then_some(number)
    };
    let mut set = BTreeSet::new();
    for part in word.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|it| *it > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (*all.start(), *all.end()),
            Some((from, to)) => (number(from)?, number(to)?),
            // `5/10` goes on to the end.
            None if part.contains('/') => (number(range)?, *all.end()),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        set.extend((from..=to).step_by(step));
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_the_same_for_systemd() {
        let of = |text: &str| of_cron(text).map(|all| all.join(" | ")).unwrap_or_default();
        assert_eq!(of("0 3 * * *"), "*-*-* 03:00:00");
        assert_eq!(of("*/20 8-10 * * *"), "*-*-* 08,09,10:00,20,40:00");
        assert_eq!(of("30 4 1,15 * *"), "*-*-01,15 04:30:00");
        assert_eq!(of("0 2 * * mon-fri"), "Mon,Tue,Wed,Thu,Fri *-*-* 02:00:00");
        assert_eq!(of("0 2 * * 7"), "Sun *-*-* 02:00:00");
        assert_eq!(of("5 1 13 * 5"), "*-*-13 01:05:00 | Fri *-*-* 01:05:00");
        assert_eq!(of("0 3 * jan,7 * Europe/Berlin"), "*-01,07-* 03:00:00 Europe/Berlin");
        assert_eq!(of("0 3 L * *"), "");
    }
}
