//! What outlives a process: files and directories, and the dice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dice::Dice;
use super::media::{Data, Names, Node};

/// A machine, whoever runs on it.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) files: Vec<Data>,
    pub(super) directories: BTreeMap<PathBuf, Names>,
    pub(super) dice: Dice,
}

impl Machine {
    /// One with an empty disk.
    pub(super) fn new(seed: u64) -> Self {
        let directories = BTreeMap::from([(PathBuf::from("/"), Names::default())]);
        Self { files: Vec::new(), directories, dice: Dice::new(seed) }
    }

    /// What the medium kept when the power went.
    pub(super) fn without_power(mut self) -> Self {
        for (path, names) in std::mem::take(&mut self.directories) {
            if self.is_kept(&path) {
                let names = Names::clean(names.image(&mut self.dice));
                self.directories.insert(path, names);
            }
        }
        let named: Vec<usize> = self.named().collect();
        for file in named {
            let stale = self.stale();
            self.files[file] = Data::clean(self.files[file].image(&mut self.dice, &stale));
        }
        self
    }

    /// Bytes that some other file left on the medium.
    pub(super) fn stale(&mut self) -> Vec<u8> {
        let file = self.dice.below(self.files.len());
        self.files[file].cache.clone()
    }

    /// Whether the directory above, which comes first, has kept this one.
    fn is_kept(&self, path: &Path) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return true };
        self.directories.get(parent).is_some_and(|above| above.now.get(name) == Some(&Node::Directory))
    }

    pub(super) fn file(&self, path: &Path) -> Option<usize> {
        match self.directories.get(path.parent()?)?.now.get(path.file_name()?)? {
            Node::File(file) => Some(*file),
            Node::Directory => None,
        }
    }

    /// Files that have a name.
    fn named(&self) -> impl Iterator<Item = usize> {
        let nodes = self.directories.values().flat_map(|names| names.now.values());
        nodes.filter_map(|node| if let Node::File(file) = node { Some(*file) } else { None })
    }
}
