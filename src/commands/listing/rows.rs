//! Where a list puts its records: it prints them as they come, or keeps them where they are still to be
//! sorted or another verb wants them.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde_json::Value;

use super::args::{ListArgs, split};
use crate::{
    error::{Failure, Kind},
    output::{Pages, Row},
};

/// The records of a list, on their way to whoever asked.
pub(crate) struct Rows<'s, R> {
    /// None where they are kept.
    pages: Option<Pages<'s>>,
    sort: Option<String>,
    limit: Option<usize>,
    kept: Vec<R>,
    /// How many were handed on.
    count: usize,
    /// Whether the limit cut some off.
    more: bool,
}

impl<'s, R: Row + JsonSchema> Rows<'s, R> {
    /// As they were asked for; without pages they are kept.
    pub(super) fn new(args: &ListArgs<R>, pages: Option<Pages<'s>>) -> Self {
        let limit = args.limit.map(|limit| limit as usize);
        Self { pages, sort: args.sort.clone(), limit, kept: Vec::new(), count: 0, more: false }
    }

    /// How many to ask for at once, where that is at most so many: one more than is shown tells whether
    /// there are more.
    pub(crate) fn at_most(&self, most: u32) -> u32 {
        let limit = self.limit.filter(|_| self.sort.is_none());
        let wanted = limit.and_then(|limit| u32::try_from(limit + 1).ok());
        wanted.map_or(most, |wanted| most.min(wanted))
    }

    /// Whether so many more are more than anybody wants.
    pub(super) fn would_do(&self, more: usize) -> bool {
        self.sort.is_none() && self.limit.is_some_and(|limit| self.count + more > limit)
    }

    /// Hands the next records on. False if nobody wants more.
    pub(crate) fn put(&mut self, mut rows: Vec<R>) -> Result<bool, Failure> {
        if self.sort.is_some() {
            self.kept.append(&mut rows);
            return Ok(true);
        }
        if let Some(limit) = self.limit {
            self.more |= self.count + rows.len() > limit;
            rows.truncate(limit - self.count);
        }
        self.count += rows.len();
        if let Some(pages) = &mut self.pages {
            return Ok(pages.print(&rows)? && !self.more);
        }
        self.kept.append(&mut rows);
        Ok(!self.more)
    }

    /// Hands on what waited for the last record.
    fn all_there(&mut self) -> Result<(), Failure> {
        if let Some(sort) = self.sort.take() {
            let rows = sorted(std::mem::take(&mut self.kept), &sort)?;
            self.put(rows)?;
        }
        Ok(())
    }

    /// The last record is here, or what went wrong before it.
    pub(super) fn end(mut self, ended: Result<(), Failure>) -> Result<(), Failure> {
        match ended.and_then(|()| self.all_there()) {
            Ok(()) => {
                let more = self.limit.map(|_| self.more);
                self.pages.map_or(Ok(()), |pages| pages.end::<R>(more))
            }
            Err(failure) => {
                if let Some(pages) = self.pages {
                    pages.broke();
                }
                Err(failure)
            }
        }
    }

    /// Those that were kept.
    pub(super) fn kept(mut self) -> Result<Vec<R>, Failure> {
        self.all_there()?;
        Ok(self.kept)
    }
}

fn sorted<R: Row>(rows: Vec<R>, sort: &str) -> Result<Vec<R>, Failure> {
    let (field, is_down) = split(sort);
    let mut keyed = Vec::with_capacity(rows.len());
    for row in rows {
        let mut record = serde_json::to_value(&row).map_err(|error| Failure {
            kind: Kind::Bug,
            error: Box::new(error),
            hint: None,
        })?;
        keyed.push((record[field].take(), row));
    }
    keyed.sort_by(|(a, _), (b, _)| if is_down { compare(b, a) } else { compare(a, b) });
    Ok(keyed.into_iter().map(|(_, row)| row).collect())
}

/// The order of two values of a field. What is unknown is the highest, as it is to PostgreSQL.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
        },
        (a, b) => a.to_string().cmp(&b.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, JsonSchema)]
    struct Dish(&'static str);

    impl Row for Dish {
        const HEADING: &'static [&'static str] = &["DISH"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned()]
        }
    }

    #[test]
    fn values_have_an_order() {
        let of = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let order = |a: &str, b: &str| compare(&of(a), &of(b));
        assert_eq!(order("2", "10"), Ordering::Less);
        assert_eq!(order("-1", "0.5"), Ordering::Less);
        assert_eq!(order("\"2\"", "\"10\""), Ordering::Greater);
        assert_eq!(order("null", "10"), Ordering::Greater);
        assert_eq!(order("false", "true"), Ordering::Less);
    }

    #[test]
    fn a_limit_is_known_to_have_cut_some_off() {
        let mut args = ListArgs::<Dish>::default();
        args.limit = Some(2);
        let mut rows = Rows::new(&args, None);
        assert_eq!((rows.at_most(500), rows.at_most(1)), (3, 1));
        assert!(rows.put(vec![Dish("soup")]).unwrap() && !rows.would_do(1) && rows.would_do(2));
        assert!(rows.put(vec![Dish("rice")]).unwrap() && !rows.more);
        assert!(!rows.put(vec![Dish("tea")]).unwrap() && rows.more);
        assert_eq!(rows.kept().unwrap(), [Dish("soup"), Dish("rice")]);
    }
}
