//! Page after page of a list: the next one is on its way while the last one is printed.

use std::{collections::BTreeSet, pin::pin};

use schemars::JsonSchema;

use super::rows::Rows;
use crate::{
    error::Failure,
    matrix::{Error, client::Client},
    output::Row,
};

/// How often the runtime comes round until a request is on the wire.
const TURNS: usize = 4;

/// Hands on page after page: `ask` is told where the page begins, and answers where the next one does. Each
/// has the whole time before it that the client has.
pub(crate) async fn pages<R: Row + JsonSchema, T>(
    rows: &mut Rows<'_, R>,
    operator: &Client,
    first: T,
    ask: impl AsyncFn(Client, T) -> Result<(Vec<R>, Option<T>), Error>,
) -> Result<(), Failure> {
    hand_on(rows, first, async |at| ask(operator.afresh(), at).await).await
}

async fn hand_on<R: Row + JsonSchema, T>(
    rows: &mut Rows<'_, R>,
    first: T,
    ask: impl AsyncFn(T) -> Result<(Vec<R>, Option<T>), Error>,
) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    let mut page = ask(first).await?;
    loop {
        let (mut found, next) = page;
        // A page begins at a number: what was added since then has moved the last ones onto this one.
        if R::HAS_ID {
            let before = std::mem::take(&mut seen);
            seen.extend(found.iter().map(|row| row.id().into_owned()));
            found.retain(|row| !before.contains(&*row.id()));
        }
        let next = next.filter(|_| !rows.would_do(found.len()));
        let Some(at) = next else {
            rows.put(found)?;
            return Ok(());
        };
        let mut asking = pin!(ask(at));
        let early = tokio::select! {
            biased;
            page = &mut asking => Some(page),
            () = turns() => None,
        };
        if !rows.put(found)? {
            return Ok(());
        }
        page = match early {
            Some(page) => page?,
            None => asking.await?,
        };
    }
}

async fn turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde::Serialize;

    use super::*;
    use crate::commands::listing::ListArgs;

    #[derive(Debug, Serialize, JsonSchema)]
    struct Number(String);

    impl Row for Number {
        const HEADING: &'static [&'static str] = &["NUMBER"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.clone()]
        }

        fn id(&self) -> Cow<'_, str> {
            self.0.as_str().into()
        }
    }

    /// What is listed of pages of these numbers, and how many pages were asked for.
    fn listed(pages: &[&[u32]], limit: Option<u32>) -> (Vec<String>, usize) {
        let mut args = ListArgs::<Number>::default();
        args.limit = limit;
        let mut rows = Rows::new(&args, None);
        let asked = std::cell::Cell::new(0);
        let ask = async |at: usize| {
            asked.set(asked.get() + 1);
            let found = pages[at].iter().map(|it| Number(it.to_string())).collect();
            Ok((found, Some(at + 1).filter(|next| *next < pages.len())))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(hand_on(&mut rows, 0, ask)).unwrap();
        let kept = rows.kept().unwrap();
        (kept.into_iter().map(|it| it.0).collect(), asked.get())
    }

    #[test]
    fn what_moved_onto_the_next_page_is_listed_once() {
        let (found, _) = listed(&[&[1, 2], &[2, 3], &[4]], None);
        assert_eq!(found, ["1", "2", "3", "4"]);
    }

    #[test]
    fn no_page_is_asked_for_that_nobody_wants() {
        assert_eq!(listed(&[&[1, 2], &[3], &[4]], Some(1)), (vec!["1".into()], 1));
        let (found, asked) = listed(&[&[1, 2], &[3], &[4]], Some(2));
        assert_eq!((found.len(), asked), (2, 2));
    }
}
