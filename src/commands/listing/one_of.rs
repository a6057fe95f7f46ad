//! A verb that returns one of several lists, or beside a list another answer.

/// What is one of those named: each with what is returned, and what its document is.
macro_rules! one_said {
    ($(#[$meta:meta])* $name:ident { $($variant:ident($said:ty => $document:ty)),+ $(,)? }) => {
        $(#[$meta])*
        pub(crate) enum $name {
            $($variant($said)),+
        }

        impl $crate::commands::reply::Said for $name {
            fn erased(self) -> $crate::commands::reply::Erased {
                match self {
                    $(Self::$variant(said) => said.erased()),+
                }
            }

            fn schemas() -> $crate::commands::reply::Schemas {
                #[derive(schemars::JsonSchema)]
                #[serde(untagged)]
                #[expect(dead_code, reason = "only its schema is needed")]
                enum $name {
                    $($variant($document)),+
                }
                let answer = Some($crate::commands::reply::schema::<$name>());
                $crate::commands::reply::Schemas { answer, record: None }
            }
        }
    };
}
pub(crate) use one_said;
