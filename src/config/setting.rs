//! What a setting is: said once, with its documentation, variables and default; everything else that
//! mentions it (the schema, the shell defaults, the reference's tables, `config show`) is made from it.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::Value;

use super::{Error, shape::Shape};

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

/// Where a value came from, the strongest last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "from", content = "name")]
pub(crate) enum Source {
    Default,
    /// What Vrooli provides: the file.
    Vrooli(String),
    SettingsFile,
    /// The profile of the operator's own.
    Profile(String),
    SecretFile,
    /// `.env` or `.env.local`.
    EnvFile(&'static str),
    /// The variable.
    Environment(String),
    Flag,
    /// A word of a command's own that stands for `--set`: what was typed.
    Word(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Vrooli(file) => write!(f, "Vrooli: {file}"),
            Self::SettingsFile => f.write_str("settings.yaml"),
            Self::Profile(name) => write!(f, "profile {name} in settings.yaml"),
            Self::SecretFile => f.write_str("secrets folder"),
            Self::EnvFile(file) => f.write_str(file),
            Self::Environment(variable) => write!(f, "variable {variable}"),
            Self::Flag => f.write_str("--set"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// What won for each setting, before it got its type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(pub(crate) BTreeMap<&'static str, (Value, Source)>);

impl Values {
    /// The typed value of a setting; an empty text and null mean that it is not set.
    pub(super) fn read<T: Shape>(&self, setting: &Setting) -> Result<T, Error> {
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
            pub(crate) const SETTINGS: &'static [$crate::config::setting::Setting] = &[
                $($crate::config::setting::Setting {
                    key: concat!($name, ".", stringify!($field)),
                    doc: concat!($($doc, "\n"),+).trim_ascii(),
                    variables: &[$($variable),*],
                    default: $default,
                    secret: false $(|| stringify!($secret).len() > 0)?,
                    schema: <$shape as $crate::config::shape::Shape>::schema,
                    check: |value| <$shape as $crate::config::shape::Shape>::read(value).map(drop),
                }),+
            ];

            pub(super) fn read(
                values: &$crate::config::setting::Values,
            ) -> Result<Self, $crate::config::Error> {
                let mut settings = Self::SETTINGS.iter();
                let mut next = || settings.next().ok_or($crate::config::Error::Unreadable);
                Ok(Self { $($field: values.read(next()?)?),+ })
            }
        }
    };
}
pub(crate) use section;
