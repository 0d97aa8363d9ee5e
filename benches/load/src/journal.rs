//! A file of what was acknowledged, for an audit after everything else has died.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use crate::{Error, ErrorKind, Order, OrderId, OrderKey, PizzaCount, Result};

/// One line an order, written as soon as it is acknowledged: id, count and key, `-` where there is none. A line is with
/// the operating system when [`add`](Self::add) returns, so it outlives this process.
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens a journal to append to, and makes it if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::File`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(path).map_err(|error| failed("open", path, error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends an order.
    ///
    /// # Errors
    /// [`ErrorKind::File`].
    pub fn add(&mut self, order: &Order) -> Result<()> {
        let key = order.key.as_ref().map_or("-", OrderKey::as_str);
        let line = format!("{} {} {key}\n", order.id, order.count);
        self.file.write_all(line.as_bytes()).map_err(|error| failed("write", &self.path, error))
    }

    /// The orders in a journal. A last line without its end is ignored: its writer was killed.
    ///
    /// # Errors
    /// [`ErrorKind::File`], also for a line that is none of ours.
    pub fn read(path: &Path) -> Result<Vec<Order>> {
        let text = fs::read_to_string(path).map_err(|error| failed("read", path, error))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| parse(line).ok_or_else(|| strange(path, line))).collect()
    }
}

fn parse(line: &str) -> Option<Order> {
    let mut words = line.split(' ');
    let (id, count, key) = (words.next()?, words.next()?, words.next()?);
    let key = (key != "-").then(|| OrderKey::new(key));
    Some(Order { id: OrderId::new(id), count: PizzaCount(count.parse().ok()?), key })
}

fn failed(doing: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::File, format!("the journal: {doing} path={}", path.display())).caused_by(error)
}

fn strange(path: &Path, line: &str) -> Error {
    Error::new(
        ErrorKind::File,
        format!("the journal has a line that is no order: path={} line={line:?}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::Journal;
    use crate::{Order, OrderId, OrderKey, PizzaCount};
    use std::fs;

    fn order(id: &str, key: Option<&str>) -> Order {
        Order { id: OrderId::new(id), count: PizzaCount(3), key: key.map(OrderKey::new) }
    }

    #[test]
    fn a_journal_gives_back_what_was_added_also_by_several_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let orders = [order("1", Some("run-1")), order("2", None)];
        for order in &orders {
            Journal::open(&path).unwrap().add(order).unwrap();
        }
        assert_eq!(Journal::read(&path).unwrap(), orders);
    }

    #[test]
    fn a_torn_last_line_is_ignored_and_a_strange_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        fs::write(&path, "1 3 -\n2 3").unwrap();
        assert_eq!(Journal::read(&path).unwrap(), [order("1", None)]);
        fs::write(&path, "1 3 -\nhello\n").unwrap();
        assert!(Journal::read(&path).is_err());
    }
}
