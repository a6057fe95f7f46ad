//! Answers of several types, of which a generic form gives one.

/// An answer that is one of those listed, as the verb of that type gives it.
macro_rules! one_of {
    ($(#[$meta:meta])* $name:ident { $($variant:ident($answer:ty)),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Serialize, JsonSchema)]
        #[serde(untagged)]
        pub(crate) enum $name {
            $($variant(Box<$answer>)),+
        }

        $(impl From<$answer> for $name {
            fn from(answer: $answer) -> Self {
                Self::$variant(Box::new(answer))
            }
        })+

        impl $crate::output::Report for $name {
            fn text(&self, page: &mut String) -> std::fmt::Result {
                match self {
                    $(Self::$variant(it) => $crate::output::Report::text(&**it, page)),+
                }
            }

            fn long(&self, page: &mut String) -> std::fmt::Result {
                match self {
                    $(Self::$variant(it) => $crate::output::Report::long(&**it, page)),+
                }
            }

            fn ids(&self) -> Option<String> {
                match self {
                    $(Self::$variant(it) => $crate::output::Report::ids(&**it)),+
                }
            }
        }
    };
}
pub(super) use one_of;
