//! The folder of a store: made as a whole or not at all, and checked before the tree is trusted with it.
//!
//! ```text
//! rows/format     magic and version of our layout; written last, so a folder with it was complete once
//! rows/persisted  up to which commit rows are on disk, in decimal: at least, for whoever looks without opening
//! rows/tree/      the files of the tree: `current` names the manifest `v<id>`, which names the tables
//! rows/tree/tables/
//! ```

use crate::{Error, Number, layout};
use lsm_tree::checksum::{Checksum, ChecksummedWriter};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

const FORMAT: &str = "format";
/// Where the format file is written before it gets its name.
const FORMAT_DRAFT: &str = "format.new";
const PERSISTED: &str = "persisted";
const PERSISTED_DRAFT: &str = "persisted.new";
const TREE: &str = "tree";
const TABLES: &str = "tables";
const CURRENT: &str = "current";

/// Where the tree has its files.
pub(crate) fn tree_of(folder: &Path) -> PathBuf {
    folder.join(TREE)
}

/// The file of a table.
pub(crate) fn table_of(tree: &Path, id: u64) -> PathBuf {
    tree.join(TABLES).join(id.to_string())
}

/// What `open` finds in a folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A store of this version, with a manifest that is whole.
    Store,
    /// Nothing, or what is left of a store that was never finished.
    Nothing,
}

/// Looks at the folder without changing anything.
pub(crate) fn inspect(folder: &Path) -> Result<Found, Error> {
    match fs::read(folder.join(FORMAT)) {
        Ok(format) => {
            layout::check_format(&format)?;
            check_manifest(&tree_of(folder))?;
            Ok(Found::Store)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check_unfinished(folder)?;
            Ok(Found::Nothing)
        }
        Err(error) => Err(Error::io(at("read the format file", folder), error)),
    }
}

/// Up to which commit rows are on disk, at least; `None`: there is no store, or nothing says so. The folder is looked at
/// as [`inspect`] does it, and its tables are not read.
pub(crate) fn persisted(folder: &Path) -> Result<Option<Number>, Error> {
    if inspect(folder)? == Found::Nothing {
        return Ok(None);
    }
    let noted = fs::read_to_string(folder.join(PERSISTED)).ok();
    Ok(noted.and_then(|text| text.trim().parse().ok()).map(Number))
}

/// Notes up to which commit rows are on disk by now. It is not synced, and a failure is nothing to stop for: an older
/// note is true as well, and who opens the store asks the tree.
pub(crate) fn note_persisted(folder: &Path, number: Number) {
    let draft = folder.join(PERSISTED_DRAFT);
    fs::write(&draft, format!("{number}\n")).and_then(|()| fs::rename(&draft, folder.join(PERSISTED))).ok();
}

/// A folder without format file is ours to fill if it holds nothing but what a crash in [`finish`] leaves: an empty
/// tree. Anything else is somebody else's, or a store that has lost a file, and is not to be wiped.
fn check_unfinished(folder: &Path) -> Result<(), Error> {
    for name in names_in(folder)? {
        if name != TREE && name != FORMAT_DRAFT {
            let message = at("the folder is not that of a row store", folder);
            return Err(Error::corrupt(format!("{message} found={name}")));
        }
    }
    match names_in(&tree_of(folder).join(TABLES))?.is_empty() {
        true => Ok(()),
        false => Err(Error::corrupt(at("the format file is missing", folder))),
    }
}

/// The names in a folder; none if it does not exist.
fn names_in(folder: &Path) -> Result<Vec<String>, Error> {
    let doing = || at("list the folder", folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| Error::io(doing(), error))?,
    };
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()
        .map_err(|error| Error::io(doing(), error))
}

/// Clears what an unfinished start has left. The tree is then made by opening it, and [`finish`] completes the store.
pub(crate) fn begin(folder: &Path) -> Result<(), Error> {
    let clear = || {
        fs::create_dir_all(folder)?;
        match fs::remove_dir_all(tree_of(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    };
    clear().map_err(|error| Error::io(at("make the folder", folder), error))
}

/// Makes the folder a store: from here on its tree has to be there.
pub(crate) fn finish(folder: &Path) -> Result<(), Error> {
    let write = || {
        let draft = folder.join(FORMAT_DRAFT);
        let mut file = File::create(&draft)?;
        file.write_all(&layout::encode_format())?;
        file.sync_all()?;
        fs::rename(&draft, folder.join(FORMAT))?;
        File::open(folder)?.sync_all()?;
        match folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|error| Error::io(at("write the format file", folder), error))
}

/// Compares the manifest with the checksum beside its name.
///
/// The tree stores that checksum and does not look at it when it opens. A flipped bit in a count would make it take
/// live tables for left-overs and delete them; so this comes first.
fn check_manifest(tree: &Path) -> Result<(), Error> {
    let (id, expected) = read_current(tree)?;
    let path = tree.join(format!("v{id}"));
    let found = checksum_of(&path).map_err(|error| Error::io(at("read the manifest", &path), error))?;
    match found == expected {
        true => Ok(()),
        false => Err(Error::corrupt(format!(
            "{} expected={:032x} found={:032x}",
            at("the manifest is damaged", &path),
            expected.into_u128(),
            found.into_u128(),
        ))),
    }
}

fn checksum_of(path: &Path) -> io::Result<Checksum> {
    let mut summed = ChecksummedWriter::new(io::sink());
    summed.write_all(&fs::read(path)?)?;
    Ok(summed.checksum())
}

/// The version of the tree that a crash now would leave: its number and its manifest's checksum.
pub(crate) fn read_current(tree: &Path) -> Result<(u64, Checksum), Error> {
    let path = tree.join(CURRENT);
    let read = || {
        let mut file = File::open(&path)?;
        let (mut id, mut checksum) = ([0; 8], [0; 16]);
        file.read_exact(&mut id)?;
        file.read_exact(&mut checksum)?;
        let checksum = Checksum::from_raw(u128::from_le_bytes(checksum));
        Ok((u64::from_le_bytes(id), checksum))
    };
    read().map_err(|error| Error::io(at("read the manifest's name", &path), error))
}

fn at(what: &str, path: &Path) -> String {
    format!("{what}: path={}", path.display())
}
