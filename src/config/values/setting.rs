//! What a setting is: said once, with its documentation, variables and default; everything else that
//! mentions it (the schema, the shell defaults, the reference's tables, `config show`) is made from it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{shape::Shape, source::Source};
use crate::config::Error;

/// One setting, as declared in its section.
#[derive(Debug)]
pub(crate) struct Setting {
    /// `section.name`, as in `settings.yaml`.
    pub(crate) key: &'static str,
    pub(crate) doc: &'static str,
    /// The variables that set it, the most particular first.
    pub(crate) variables: &'static [&'static str],
    /// As one would write it in the environment; empty where there is none.
    pub(crate) default: &'static str,
    pub(crate) secret: bool,
    pub(crate) schema: fn() -> Value,
    /// Whether a value is one that it can have; the error completes "it …".
    pub(crate) check: fn(&Value) -> Result<(), String>,
}

impl Setting {
    /// The file below `secrets/` that holds a secret setting.
    pub(crate) fn secret_file(&self) -> String {
        self.key.replace('.', "_")
    }
}

/// What won for each setting, before it got its type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(pub(crate) BTreeMap<&'static str, (Value, Source)>);

impl Values {
    /// Gives those that are not set another default.
    pub(crate) fn or_default(&mut self, defaults: impl IntoIterator<Item = (&'static str, Value)>) {
        for (key, value) in defaults {
            self.0.entry(key).or_insert((value, Source::Default));
        }
    }

    /// The typed value of a setting; an empty text and null mean that it is not set.
    pub(crate) fn read<T: Shape>(&self, setting: &Setting) -> Result<T, Error> {
        let (value, source) = match self.0.get(setting.key) {
            Some((value, source)) => (value.clone(), source.clone()),
            None => (Value::from(setting.default), Source::Default),
        };
        T::read(&value).map_err(|reason| Error::Value {
            key: setting.key,
            shown: if setting.secret { crate::secret::MASK.into() } else { shown(&value) },
            reason,
            origin: source,
        })
    }
}

/// A value as a person would write it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A part of the settings: `section! { Name "name" { /// doc … field: Type = "default" [VARIABLES]; } }`.
macro_rules! section {
    ($(#[doc = $about:literal])+ $section:ident $name:literal {
        $($(#[doc = $doc:literal])+ $(#[$secret:ident])? $field:ident: $shape:ty = $default:literal [$($variable:literal),*];)+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, serde::Serialize)]
        pub(crate) struct $section { $($(#[doc = $doc])+ pub(crate) $field: $shape,)+ }

        impl $section {
            pub(crate) const SETTINGS: &'static [$crate::config::values::setting::Setting] = &[
                $($crate::config::values::setting::Setting {
                    key: concat!($name, ".", stringify!($field)),
                    doc: concat!($($doc, "\n"),+).trim_ascii(),
                    variables: &[$($variable),*],
                    default: $default,
                    secret: false $(|| stringify!($secret).len() > 0)?,
                    schema: <$shape as $crate::config::values::shape::Shape>::schema,
                    check: |value| <$shape as $crate::config::values::shape::Shape>::read(value).map(drop),
                }),+
            ];

            pub(crate) fn read(
                values: &$crate::config::values::setting::Values,
            ) -> Result<Self, $crate::config::Error> {
                let mut settings = Self::SETTINGS.iter();
                let mut next = || settings.next().ok_or($crate::config::Error::Unreadable);
                Ok(Self { $($field: values.read(next()?)?),+ })
            }
        }
    };
}
pub(crate) use section;
