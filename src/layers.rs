//! What may use what: rooms stand in lines, and no two files need each other. Read from the source itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility,
    visit::{self, Visit},
};

/// A room uses only rooms of the lines below its own. The names of rooms to come hold their places.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["mcp"],
    &["commands"],
    &["context"],
    &["daemons"],
    &["targets", "instance"],
    &["checks"],
    &["backup", "manifest"],
    &["services", "render"],
    &["federation", "oidc", "proxy", "s3", "turn"],
    &["hooks", "relay"],
    &["outbox"],
    &["matrix", "postgres", "tls", "dendrite"],
    &["synapse"],
    &["bridges", "crypto", "redis", "web"],
    &["config", "supervisor", "python"],
    &["reply"],
    &["output"],
    &["age"],
    &["secret", "process", "clock", "listener"],
    &["data_dir"],
    &["files"],
    &["error"],
    &["canned"],
];

type Names = Vec<String>;

/// A source file of the crate, without its tests.
#[derive(Default)]
struct Source {
    /// Its module, from the crate's root.
    module: Names,
    /// What it imports: the name here, and the path from the crate's root.
    imports: Vec<(String, Names)>,
    /// What it hands on under its own name.
    exports: Vec<(String, Names)>,
    /// The paths in its code, as they are written.
    paths: Vec<Names>,
}

fn is_test(attributes: &[Attribute]) -> bool {
    let cfg = |it: &Attribute| it.path().is_ident("cfg");
    let test = |it: &Attribute| it.parse_args::<syn::Ident>().is_ok_and(|word| word == "test");
    attributes.iter().any(|it| cfg(it) && test(it))
}

impl Source {
    /// A path as it is written here, from the crate's root; none if it leads out of the crate or is a
    /// name of this file.
    fn absolute(&self, path: &[String], modules: &BTreeSet<Names>) -> Option<Names> {
        let (first, rest) = path.split_first()?;
        let mut base = self.module.clone();
        let rest = match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => rest,
            "super" => {
                let ups = path.iter().take_while(|word| *word == "super").count();
                base.truncate(base.len().saturating_sub(ups));
                &path[ups..]
            }
            first => {
                if let Some((_, found)) = self.imports.iter().find(|(name, _)| name == first) {
                    return Some([found, rest].concat());
                }
                base.push(first.to_owned());
                if !modules.contains(&base) {
                    return None;
                }
                rest
            }
        };
        Some([&base, rest].concat())
    }

    fn imported(&mut self, tree: &UseTree, path: &mut Names, exported: bool) {
        let mut found = |name: &syn::Ident, of: &Names, ident: &syn::Ident| {
            let of =
                if ident == "self" { of.clone() } else { [&of[..], &[ident.to_string()]].concat() };
            let name = if name == "self" {
                of.last().cloned().unwrap_or_default()
            } else {
                name.to_string()
            };
            let list = if exported { &mut self.exports } else { &mut self.imports };
            list.push((name, of));
        };
        match tree {
            UseTree::Name(it) => found(&it.ident, path, &it.ident),
            UseTree::Rename(it) => found(&it.rename, path, &it.ident),
            UseTree::Glob(_) => {}
            UseTree::Path(it) => {
                path.push(it.ident.to_string());
                self.imported(&it.tree, path, exported);
                path.pop();
            }
            UseTree::Group(it) => {
                it.items.iter().for_each(|tree| self.imported(tree, path, exported));
            }
        }
    }

    /// The paths in what a macro is given.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Names::new(), 0);
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) if colons == 2 => path.push(ident.to_string()),
                TokenTree::Punct(it) if it.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                _ => {
                    self.paths.push(std::mem::take(&mut path));
                    if let TokenTree::Ident(ident) = &token {
                        path.push(ident.to_string());
                    }
                }
            }
            colons = 0;
            if let TokenTree::Group(group) = token {
                self.tokens(group.stream());
            }
        }
        self.paths.push(path);
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Const(it) => &it.attrs,
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            Item::Mod(it) => &it.attrs,
            Item::Struct(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.imported(&item.tree, &mut Names::new(), !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|it| it.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, it: &'ast Attribute) {
        if let syn::Meta::List(list) = &it.meta {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_macro(&mut self, it: &'ast Macro) {
        self.tokens(it.tokens.clone());
        visit::visit_macro(self, it);
    }
}

/// Every file below `src` but the roots and those of tests, by its path.
fn sources() -> BTreeMap<String, Source> {
    fn walk(folder: &Path, found: &mut BTreeMap<String, Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    walk(&path, found);
                }
                continue;
            }
            let below = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
            let name = below.to_str().unwrap().to_owned();
            let Some(module) = name.strip_suffix(".rs").filter(|it| !it.ends_with("tests")) else {
                continue;
            };
            if ["lib", "main", "layers"].contains(&module) {
                continue;
            }
            let module = module.strip_suffix("/mod").unwrap_or(module);
            let module = module.split('/').map(str::to_owned).collect();
            let mut source = Source { module, ..Source::default() };
            source.visit_file(&syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap());
            found.insert(name, source);
        }
    }
    let mut found = BTreeMap::new();
    walk(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    found
}

/// All of the crate, and where each of its names is from.
struct Crate {
    sources: BTreeMap<String, Source>,
    modules: BTreeSet<Names>,
    /// Names that a module hands on, with where they are from.
    exports: BTreeMap<Names, Names>,
}

impl Crate {
    fn read() -> Self {
        let mut sources = sources();
        let modules: BTreeSet<Names> =
            sources.values().map(|source| source.module.clone()).collect();
        let mut exports = BTreeMap::new();
        for source in sources.values_mut() {
            for list in [true, false] {
                let names =
                    std::mem::take(if list { &mut source.imports } else { &mut source.exports });
                let names = names
                    .into_iter()
                    .filter_map(|(name, path)| Some((name, source.absolute(&path, &modules)?)));
                let names: Vec<_> = names.collect();
                if list {
                    source.imports = names;
                } else {
                    let own = |name: String| [&source.module[..], &[name]].concat();
                    exports.extend(names.into_iter().map(|(name, path)| (own(name), path)));
                }
            }
        }
        Self { sources, modules, exports }
    }

    /// The module that a path from the crate's root ends in, through what others hand on.
    fn home(&self, path: &[String]) -> Option<Names> {
        let mut path = path.to_vec();
        'again: for _ in 0..8 {
            for length in (1..=path.len()).rev() {
                if let Some(real) = self.exports.get(&path[..length]) {
                    path = [real, &path[length..]].concat();
                    continue 'again;
                }
            }
            break;
        }
        (1..=path.len())
            .rev()
            .map(|length| path[..length].to_vec())
            .find(|it| self.modules.contains(it))
    }

    /// Everything that a file uses, as paths from the crate's root.
    fn used(&self, source: &Source) -> Vec<Names> {
        let items = source
            .imports
            .iter()
            .map(|(_, path)| path)
            .filter(|path| !self.modules.contains(*path));
        let paths = source.paths.iter().filter(|path| path.len() > 1);
        items
            .cloned()
            .chain(paths.filter_map(|path| source.absolute(path, &self.modules)))
            .collect()
    }

    /// The files that a file needs. What it finds in the file above it, its room's own words, does not count.
    fn needs(&self, source: &Source) -> BTreeSet<&str> {
        let homes: BTreeSet<Names> =
            self.used(source).iter().filter_map(|path| self.home(path)).collect();
        let others = homes.iter().filter(|home| !source.module.starts_with(home));
        let file = |home: &Names| {
            self.sources.iter().find(|(_, it)| it.module == *home).map(|(name, _)| name.as_str())
        };
        others.filter_map(file).collect()
    }
}

#[test]
fn modules_use_only_what_stands_below_them() {
    let line = |room: &str| LAYERS.iter().position(|line| line.contains(&room));
    let all = Crate::read();
    let mut found = BTreeSet::new();
    for (name, source) in &all.sources {
        let room = source.module[0].as_str();
        let own = line(room).unwrap_or_else(|| panic!("`{room}` stands in no line of LAYERS"));
        let imported = source.imports.iter().map(|(_, path)| path.clone());
        for other in imported.chain(all.used(source)).filter_map(|path| path.first().cloned()) {
            if other != room && line(&other).is_some_and(|line| line <= own) {
                found.insert(format!("{name} uses {other}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_files_need_each_other() {
    let all = Crate::read();
    let needs: BTreeMap<&str, BTreeSet<&str>> =
        all.sources.iter().map(|(name, source)| (name.as_str(), all.needs(source))).collect();
    let mut reach: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for from in needs.keys() {
        let mut next = vec![*from];
        let reached = reach.entry(from).or_default();
        while let Some(file) = next.pop() {
            next.extend(needs[file].iter().filter(|other| reached.insert(**other)));
        }
    }
    let circles: BTreeSet<Vec<&str>> = needs
        .keys()
        .filter(|file| reach[**file].contains(**file))
        .map(|file| {
            reach[*file].iter().filter(|other| reach[**other].contains(file)).copied().collect()
        })
        .collect();
    assert!(circles.is_empty(), "these files need each other: {circles:#?}");
}

mod generated {
    use std::{fs, path::Path};

    use crate::config::generate::compare_part;

    /// The first sentence of what a module says of itself; none where there is no such module yet.
    fn purpose(module: &str) -> Option<String> {
        let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        let text = fs::read_to_string(src.join(format!("{module}.rs")))
            .or_else(|_| fs::read_to_string(src.join(module).join("mod.rs")))
            .ok()?;
        let words: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
        let words: String = words.concat();
        let sentence = words.trim().split(". ").next()?.trim_end_matches('.');
        // What is a link in the documentation of the sources is a word here.
        Some(sentence.replace(['[', ']'], "").replace('|', "\\|"))
    }

    #[test]
    fn the_architecture_shows_the_layers() {
        let mut page = String::from("| layer | module | what it is for |\n| --- | --- | --- |\n");
        let layers = super::LAYERS.iter().enumerate();
        for (number, module) in layers.flat_map(|(i, line)| line.iter().map(move |it| (i + 1, it)))
        {
            if let Some(purpose) = purpose(module) {
                page.push_str(&format!("| {number} | `{module}` | {purpose} |\n"));
            }
        }
        compare_part("docs/architecture.md", "layers", &page);
    }
}
